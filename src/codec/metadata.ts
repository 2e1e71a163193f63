import { nullableRecord, sortedKeys } from './containers.ts'
import { setEntry } from './json.ts'
import type { Kind } from './kind.ts'
import { text } from './scalars.ts'

type Metadata = Readonly<Record<string, string>> | null

/** Metadata of a pin. In protobuf: entries {1 key, 2 value} in the order of their keys (spec/wire.md 6.5). */
export const metadata: Kind<Metadata> = {
  ...nullableRecord(text),
  protobuf: {
    zero: null,
    wireType: 2,
    write (writer, tag, value) {
      if (value === null) return
      for (const key of sortedKeys(value)) {
        writer.varint(tag)
        writer.nested(() => {
          text.protobuf?.write(writer, keyTag, key)
          text.protobuf?.write(writer, valueTag, value[key] as string)
        })
      }
    },
    read (reader, before) {
      const outerEnd = reader.end
      const end = reader.lengthEnd()
      reader.end = end
      let key = ''
      let value = ''
      while (reader.at < end) {
        const tag = reader.varint()
        if (tag === keyTag) key = reader.text()
        else if (tag === valueTag) value = reader.text()
        else reader.skip(tag % 8)
      }
      reader.end = outerEnd
      const entries: Record<string, string> = before ?? {}
      setEntry(entries, key, value)
      return entries
    },
  },
}

const keyTag = 10
const valueTag = 18
