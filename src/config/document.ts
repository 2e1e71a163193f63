import { allSections } from './configuration.ts'
import { jsonKey, type Field, type Fields } from './field.ts'
import { variableWord } from './names.ts'
import { Place, type ReadingContext } from './place.ts'
import type { Section } from './section.ts'

/** Shown for what differs from machine to machine. */
const anyMachine: ReadingContext = { folder: '', hostname: '', warn: () => {} }

const introduction = `# Configuration

<!-- Made by scripts/document-configuration.ts from the sections in src/config/sections. Do not edit. -->

A peer reads \`service.json\` in its folder (\`--config\`, \`IPFS_CLUSTER_PATH\`, or \`~/.ipfs-cluster\`); \`ipfs-cluster-service init\` writes one. The
file is the Go program's: either program starts with a file of the other.

- **Checked strictly.** A wrong type or an impossible value is refused, with section, key, value and what is allowed. A key that is not
  known is kept and named in a warning.
- **Environment.** Every key can be overridden by the variable beside it, at \`init\` (then the file has it) and at every start (then it has
  not). Lists are separated by commas, maps are \`key:value,key:value\`.
- **Durations** are texts such as \`300ms\`, \`2m30s\`, \`24h\`.
- **Components run** when their section is there, where the section's text says so.
- **A key that is absent** has its default value, unless its text says what it has then. A section or an inner object that is absent has
  all defaults.
- **\`source\`** at the top level, an \`http(s)://\` URL, replaces the rest of the file by what is found there at every start.
- **The identity** is in \`identity.json\` (\`id\`, \`private_key\`), overridden by \`CLUSTER_ID\` and \`CLUSTER_PRIVATEKEY\`.
`

/** The configuration reference for people, in Markdown. */
export function documentConfiguration (): string {
  return `${introduction}${[...allSections()].map(({ section }) => documentSection(section)).join('')}`
}

function documentSection (section: Section): string {
  const rows = fieldRows(section, section.fields, section.environment, '')
  return `
## ${section.name}

${section.describe}

| key | form | default | variable | meaning |
|---|---|---|---|---|
${rows.join('\n')}
`
}

function fieldRows (section: Section, fields: Fields, prefix: string, path: string): string[] {
  return Object.entries(fields).flatMap(([property, field]) => {
    const key = jsonKey(property, field)
    const variable = `${prefix}_${variableWord(key)}`
    if (field.fields === undefined) return [fieldRow(section, field, `${path}${key}`, variable)]
    if (field.isOneInDocument === true) return [fieldRow(section, field, `${path}${key}`, `${variable}_…`)]
    return fieldRows(section, field.fields, variable, `${path}${key}.`)
  })
}

function fieldRow (section: Section, field: Field, key: string, variable: string): string {
  const allowed = [...new Set(section.rules.filter(rule => rule.key === key).map(rule => rule.allowed))]
  const meaning = [field.describe, ...absentText(section, field, key), ...(allowed.length === 0 ? [] : [`Allowed: ${allowed.join('; ')}.`])].join(' ')
  const shownVariable = field.variable === undefined && field.fields === undefined ? '' : `\`${variable}\``
  return `| ${[`\`${key}\``, field.form, initialText(field), shownVariable, meaning].map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function initialText (field: Field): string {
  if (field.isOneInDocument === true) return ''
  const json = field.toJson(field.initial(anyMachine))
  return json === undefined || json === '' || json === null ? '' : `\`${JSON.stringify(json)}\``
}

/** What an absent key means, where that is not the default. */
function absentText (section: Section, field: Field, key: string): string[] {
  const initial = field.initial(anyMachine)
  let absent: string
  try {
    absent = JSON.stringify(field.toJson(field.parse(undefined, initial, new Place(section.name, key, false, anyMachine))))
  } catch {
    return ['Absent: refused.']
  }
  return field.isOneInDocument === true || absent === JSON.stringify(field.toJson(initial)) ? [] : [`Absent: \`${absent}\`.`]
}
