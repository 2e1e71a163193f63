import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandError, Exit, type Command, type Program } from './command.ts'
import { dialectV1 } from './dialect-v1.ts'
import { memoryTerminal } from './memory-terminal.ts'
import { runProgram } from './run.ts'

const show: Command<string> = {
  name: 'show',
  usage: 'shows what it got',
  flags: [{ kind: 'integer', names: ['count', 'c'], usage: 'how often' }, { kind: 'boolean', names: ['secret'], usage: 'not told', hidden: true }],
  action: async ({ terminal, context, globals, flags, arguments: words }) => {
    await terminal.stdout.write(JSON.stringify([context, globals.text('config'), flags.integer('count'), words]))
    return 7
  },
}

const program: Program<string> = {
  name: 'tool',
  usage: 'does things',
  description: 'A tool.',
  version: '1.2.3',
  dialect: dialectV1,
  usageErrorExit: 0,
  flags: [{ kind: 'text', names: ['config', 'c'], usage: 'the data `FOLDER`', default: '/home/.tool', environment: 'TOOL_PATH' }],
  before: ({ globals }) => {
    if (globals.text('config') === 'silent') throw new Exit(0)
    return 'made before'
  },
  commands: [
    show,
    { name: 'fail', usage: 'fails', action: () => { throw new CommandError('opening door', 'it is locked', 62) } },
    { name: 'break', usage: 'breaks', action: () => { throw new Error('unforeseen') } },
    { name: 'hidden', usage: 'is not listed', hidden: true, action: () => 0 },
    { name: 'group', usage: 'has commands', commands: [show], before: ({ terminal }) => terminal.stdout.write('before group\n') },
  ],
}

async function run (...args: string[]) {
  const terminal = memoryTerminal()
  const exit = await runProgram(program, args, terminal)
  return { exit, ...terminal.written }
}

test('an action gets the flags of its level, the global ones, its arguments and what was made before', async () => {
  assert.deepEqual(await run('-c', '/x', 'show', 'a', '-c', '3'), { exit: 7, stdout: '["made before","/x",3,["a"]]', stderr: '' })
})

test('the environment gives a global flag', async () => {
  const terminal = memoryTerminal({ environment: { TOOL_PATH: '/env' } })
  await runProgram(program, ['show'], terminal)
  assert.match(terminal.written.stdout, /"\/env"/)
})

test('failures end on stderr with their exit code', async () => {
  assert.deepEqual(await run('fail'), { exit: 62, stdout: '', stderr: 'error opening door: it is locked\n' })
  assert.deepEqual(await run('break'), { exit: 1, stdout: '', stderr: 'error : unforeseen\n' })
  assert.deepEqual(await run('-c', 'silent', 'show'), { exit: 0, stdout: '', stderr: '' })
})

test('what is unknown is told with exit 3, in groups and as a help topic too', async () => {
  for (const args of [['nosuch'], ['group', 'nosuch'], ['help', 'nosuch'], ['group', 'help', 'nosuch']]) {
    const { exit, stderr } = await run(...args)
    assert.deepEqual([exit, stderr], [3, 'No help topic for \'nosuch\'\n'], args.join(' '))
  }
})

test('an action of the program takes unknown commands', async () => {
  const terminal = memoryTerminal()
  const exit = await runProgram({ ...program, action: async call => { await call.showHelp(); return 1 } }, ['nosuch'], terminal)
  assert.equal(exit, 1)
  assert.equal(terminal.written.stdout, (await run('help')).stdout)
})

test('flag errors show help and end with the code of the program', async () => {
  const global = await run('--nosuch')
  assert.deepEqual([global.exit, global.stdout.split('\n')[0]], [0, 'Incorrect Usage. flag provided but not defined: -nosuch'])
  const own = await run('show', '--nosuch')
  assert.equal(own.stdout.split('\n')[0], 'Incorrect Usage: flag provided but not defined: -nosuch')
  const inGroup = await run('group', '--nosuch')
  assert.equal(inGroup.stdout.split('\n')[0], 'Incorrect Usage. flag provided but not defined: -nosuch')
  const twice = await run('show', '-c', '1', '--count', '2')
  assert.equal(twice.stdout.split('\n')[0], 'Incorrect Usage: Cannot use two forms of the same flag: c count')
})

test('version and help need nothing made before', async () => {
  assert.equal((await run('-c', 'silent', '-v')).stdout, 'tool version 1.2.3\n')
  assert.match((await run('-c', 'silent', '-h')).stdout, /^NAME:\n {3}tool - does things\n/)
})

test('the program\'s help lists commands and flags that are not hidden', async () => {
  assert.equal((await run()).stdout, `NAME:
   tool - does things

USAGE:
   tool [global options] command [command options] [arguments...]

VERSION:
   1.2.3

DESCRIPTION:
   A tool.

COMMANDS:
   show     shows what it got
   fail     fails
   break    breaks
   group    has commands
   help, h  Shows a list of commands or help for one command

GLOBAL OPTIONS:
   --config FOLDER, -c FOLDER  the data FOLDER (default: "/home/.tool") [$TOOL_PATH]
   --help, -h                  show help
   --version, -v               print the version
`)
})

test('the help of a command and of a group', async () => {
  assert.equal((await run('help', 'show')).stdout, `NAME:
   tool show - shows what it got

USAGE:
   tool show [command options] [arguments...]

OPTIONS:
   --count value, -c value  how often (default: 0)
   
`)
  assert.equal((await run('group')).stdout, `before group
NAME:
   tool group - has commands

USAGE:
   tool group command [command options] [arguments...]

COMMANDS:
   show  shows what it got

OPTIONS:
   --help, -h  show help
   
`)
})

test('before of a group runs also when help of its command is asked for', async () => {
  assert.match((await run('group', 'show', '--help')).stdout, /^before group\nNAME:\n {3}tool group show - /)
})
