import { formatDuration } from '../../codec/duration.ts'
import { quote } from '../../domain/quote.ts'
import type { CommandHelp, CommandLine, Dialect, Flag, ProgramHelp } from './command.ts'
import { layoutColumns } from './columns.ts'

/** The rules and the help of `ipfs-cluster-service` and `ipfs-cluster-ctl` (spec/cli.md 0). */
export const dialectV1: Dialect = {
  movesTrailingFlags: true,
  help: { program: programHelp, group: groupHelp, command: commandHelp },
}

function programHelp (help: ProgramHelp): string {
  return layoutColumns([
    `NAME:\n   ${help.name} - ${help.usage}`,
    `USAGE:\n   ${help.name} [global options] command [command options] [arguments...]`,
    `VERSION:\n   ${help.version}`,
    ...descriptionLines(help),
    `COMMANDS:${commandLines(help.commands)}`,
    `GLOBAL OPTIONS:\n   ${help.flags.filter(isVisible).map(flagLine).join('\n   ')}`,
  ].join('\n\n') + '\n')
}

function groupHelp (help: CommandHelp): string {
  return layoutColumns([
    `NAME:\n   ${help.path} - ${help.description ?? help.usage}`,
    `USAGE:\n   ${help.path} command${optionsWord(help)} ${help.argumentsUsage ?? '[arguments...]'}`,
    `COMMANDS:${commandLines(help.commands)}`,
    ...optionLines(help),
  ].join('\n\n') + '\n')
}

function commandHelp (help: CommandHelp): string {
  return layoutColumns([
    `NAME:\n   ${help.path} - ${help.usage}`,
    `USAGE:\n   ${help.path}${optionsWord(help)} ${help.argumentsUsage ?? '[arguments...]'}`,
    ...descriptionLines(help),
    ...optionLines(help),
  ].join('\n\n') + '\n')
}

function descriptionLines (help: { readonly description: string | undefined }): string[] {
  return help.description === undefined ? [] : [`DESCRIPTION:\n   ${help.description}`]
}

function commandLines (commands: readonly CommandLine[]): string {
  return commands.map(({ names, usage }) => `\n   ${names.join(', ')}\t${usage}`).join('')
}

function optionsWord (help: CommandHelp): string {
  return help.flags.some(isVisible) ? ' [command options]' : ''
}

/** The block of a command ends with a line of three blanks, unlike that of the program. */
function optionLines (help: CommandHelp): string[] {
  const flags = help.flags.filter(isVisible)
  return flags.length === 0 ? [] : [`OPTIONS:\n   ${flags.map(flag => `${flagLine(flag)}\n   `).join('')}`]
}

function isVisible (flag: Flag): boolean { return flag.hidden !== true }

function flagLine (flag: Flag): string {
  const quoted = /`([^`]*)`/.exec(flag.usage)
  const usage = quoted === null ? flag.usage : flag.usage.replace(quoted[0], () => quoted[1] as string)
  const placeholder = quoted?.[1] || (flag.kind === 'boolean' ? '' : 'value')
  const names = flag.names.map(name => `${name.length === 1 ? '-' : '--'}${name}${placeholder === '' ? '' : ` ${placeholder}`}`)
  const environment = flag.kind === 'text' && flag.environment !== undefined ? ` [$${flag.environment}]` : ''
  return `${names.join(', ')}\t${`${usage}${defaultText(flag)}`.trim()}${environment}`
}

function defaultText (flag: Flag): string {
  switch (flag.kind) {
    case 'boolean': case 'texts': return ''
    case 'text': return flag.default ? ` (default: ${quote(flag.default)})` : ''
    case 'integer': return ` (default: ${flag.default ?? 0})`
    case 'duration': return ` (default: ${formatDuration(flag.default ?? 0)})`
  }
}
