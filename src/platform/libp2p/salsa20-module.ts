/*
 * Salsa20 (Bernstein, "The Salsa20 family of stream ciphers", 2007) in WebAssembly, four blocks at
 * a time: word i of blocks n … n+3 fills one vector, so that each step of the paper is one vector
 * instruction. The code is the paper's loops unrolled; it is generated here, which takes some
 * milliseconds, because generated it can be read. In plain JavaScript the cipher would take more
 * time than all else in a connection. Instructions: webassembly.github.io/spec, simd proposal.
 */

/** Where things are in the module's memory, in bytes. The state is 16 words, then two counters for each of the four blocks. */
export const salsa20Memory = { state: 0, counterLow: 64, counterHigh: 80, buffer: 128 } as const
/** What one call can take; with the rest of the memory it makes two pages. */
export const salsa20BufferBytes = 130_816
/** Four blocks. */
export const salsa20GroupBytes = 256

export interface Salsa20Module {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** XORs so many groups from the start of the buffer with the key stream. */
  readonly xor: (groups: number) => void
}

// Not in the types of Node alone.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** The words that the quarter rounds of one double round take: the columns of the 4 × 4 square, then its rows. */
const quarterRounds = [
  [0, 4, 8, 12], [5, 9, 13, 1], [10, 14, 2, 6], [15, 3, 7, 11],
  [0, 1, 2, 3], [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14],
] as const
const rotations = [7, 9, 13, 18] as const
const doubleRounds = 10

// Local variables: how many groups are left, the place in the buffer, then vectors.
const groupsLeft = 0
const place = 1
const work = 2
const initial = work + 16
const scratch = initial + 16
const vectors = 16 + 16 + 4

const type = { i32: 0x7f, v128: 0x7b, function: 0x60, nothing: 0x40 } as const
const memoryPages = 2

export function makeSalsa20Module (): Salsa20Module {
  const code = [
    2, ...leb(1), type.i32, ...leb(vectors), type.v128,
    ...loadState(),
    0x03, type.nothing, // loop
    ...numbers(16).flatMap(i => [...get(initial + i), ...set(work + i)]),
    ...numbers(doubleRounds).flatMap(() => quarterRounds.flatMap(quarterRound)),
    ...numbers(16).flatMap(i => [...get(work + i), ...get(initial + i), ...simd.add, ...set(work + i)]),
    ...numbers(4).flatMap(xorQuarter),
    ...nextCounters(),
    ...get(place), ...constant(salsa20GroupBytes), 0x6a, ...set(place), // i32.add
    ...get(groupsLeft), ...constant(1), 0x6b, 0x22, groupsLeft, // i32.sub, local.tee
    0x0d, 0, 0x0b, 0x0b, // br_if to the loop, end of loop, end of function
  ]
  const bytes = Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, type.function, 1, type.i32, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, memoryPages]),
    ...section(7, [2, ...text('memory'), 2, 0, ...text('xor'), 0, 0]),
    ...section(10, [1, ...sized(code)]),
  ])
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes))
  return exports as Salsa20Module
}

function loadState (): number[] {
  return [
    ...constant(salsa20Memory.buffer), ...set(place),
    ...numbers(16).flatMap(i => [...constant(0), ...simd.loadSplat(salsa20Memory.state + 4 * i), ...set(initial + i)]),
    ...constant(0), ...simd.load(salsa20Memory.counterLow), ...set(initial + 8),
    ...constant(0), ...simd.load(salsa20Memory.counterHigh), ...set(initial + 9),
  ]
}

function quarterRound (words: readonly number[]): number[] {
  return rotations.flatMap((bits, step) => {
    const [last, target, before] = [words[step] as number, words[(step + 1) % 4] as number, words[(step + 3) % 4] as number]
    return [
      ...get(work + last), ...get(work + before), ...simd.add, ...set(scratch),
      ...get(work + target),
      ...get(scratch), ...constant(bits), ...simd.shiftLeft,
      ...get(scratch), ...constant(32 - bits), ...simd.shiftRight,
      ...simd.or, ...simd.xor, ...set(work + target),
    ]
  })
}

/** Words 4q … 4q+3 of the four blocks: turned into 16 bytes of each block, and these XORed with the buffer. */
function xorQuarter (quarter: number): number[] {
  const [a, b, c, d] = numbers(4).map(i => get(work + 4 * quarter + i)) as [number[], number[], number[], number[]]
  const words = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23]
  const pairs = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
  const upper = (lanes: number[]): number[] => lanes.map(lane => lane + 8)
  const ofBlock = [
    [scratch, scratch + 2, pairs], [scratch, scratch + 2, upper(pairs)],
    [scratch + 1, scratch + 3, pairs], [scratch + 1, scratch + 3, upper(pairs)],
  ] as const
  return [
    ...a, ...b, ...simd.shuffle(words), ...set(scratch),
    ...a, ...b, ...simd.shuffle(upper(words)), ...set(scratch + 1),
    ...c, ...d, ...simd.shuffle(words), ...set(scratch + 2),
    ...c, ...d, ...simd.shuffle(upper(words)), ...set(scratch + 3),
    ...ofBlock.flatMap(([first, second, lanes], block) => [
      ...get(place), ...get(place), ...simd.load(64 * block + 16 * quarter),
      ...get(first), ...get(second), ...simd.shuffle(lanes), ...simd.xor, ...simd.store(64 * block + 16 * quarter),
    ]),
  ]
}

/** Adds 4 to the 64 bit counters. A comparison gives −1 where it holds. */
function nextCounters (): number[] {
  const four = [...constant(4), ...simd.splat]
  return [
    ...get(initial + 8), ...four, ...simd.add, ...set(initial + 8),
    ...get(initial + 9), ...get(initial + 8), ...four, ...simd.isBelow, ...simd.subtract, ...set(initial + 9),
  ]
}

const instruction = (opcode: number): number[] => [0xfd, ...leb(opcode)]
const simd = {
  load: (offset: number) => [...instruction(0x00), 4, ...leb(offset)],
  loadSplat: (offset: number) => [...instruction(0x09), 2, ...leb(offset)],
  store: (offset: number) => [...instruction(0x0b), 4, ...leb(offset)],
  shuffle: (lanes: readonly number[]) => [...instruction(0x0d), ...lanes],
  splat: instruction(0x11),
  isBelow: instruction(0x3a),
  or: instruction(0x50),
  xor: instruction(0x51),
  shiftLeft: instruction(0xab),
  shiftRight: instruction(0xad),
  add: instruction(0xae),
  subtract: instruction(0xb1),
}

const get = (local: number): number[] => [0x20, ...leb(local)]
const set = (local: number): number[] => [0x21, ...leb(local)]

/** A signed LEB128 number that is not negative. */
function constant (value: number): number[] {
  const bytes = leb(value)
  if (((bytes.at(-1) as number) & 0x40) !== 0) bytes.splice(-1, 1, (bytes.at(-1) as number) | 0x80, 0)
  return [0x41, ...bytes]
}

function leb (value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}

const sized = (content: readonly number[]): number[] => [...leb(content.length), ...content]
const section = (id: number, content: readonly number[]): number[] => [id, ...sized(content)]
const text = (name: string): number[] => sized([...Buffer.from(name)])
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
