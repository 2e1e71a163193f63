'use strict'
// Starts a command under a Node.js that can run it: 24 or newer, which strips types. When the
// running one is older ("node bin/…" by hand), the platform package's program takes over as a
// child that gets every signal and gives its exit code.
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

const neededMajor = 24
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH']

exports.run = command => {
  if (Number(process.versions.node.split('.')[0]) < neededMajor) return runInChild()
  require('node:module').enableCompileCache()
  const root = join(__dirname, '..')
  // A checkout has the sources; a published package only what prepack made of them.
  const isSource = existsSync(join(root, 'src', 'cli', command, 'main.ts'))
  const folder = pathToFileURL(join(root, isSource ? 'src' : 'dist', '/')).href
  const extension = isSource ? '.ts' : '.js'
  resolveOwnModules(folder, extension, isSource ? 'module-typescript' : 'module')
  import(`${folder}cli/${command}/main${extension}`).then(module => module.main(), error => {
    console.error(error)
    process.exitCode = 1
  })
}

/**
 * Our own modules name each other by their files: nothing has to be looked for. The runtime would
 * look at the disk for each of a thousand imports, which takes 30 ms of a start.
 */
function resolveOwnModules (folder, extension, format) {
  const { registerHooks } = require('node:module')
  if (registerHooks === undefined) return
  registerHooks({
    resolve (specifier, context, nextResolve) {
      const isOwn = specifier.startsWith('.') && specifier.endsWith(extension) && context.parentURL?.startsWith(folder)
      return isOwn ? { url: new URL(specifier, context.parentURL).href, format, shortCircuit: true } : nextResolve(specifier, context)
    },
  })
}

function runInChild () {
  const node = findNode()
  if (node === undefined) {
    console.error(`error: Node.js ${neededMajor} or newer is needed, this is ${process.versions.node}: run "npm install" in ${join(__dirname, '..')}`)
    process.exitCode = 1
    return
  }
  const { spawn } = require('node:child_process')
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit' })
  for (const signal of signals) {
    process.on(signal, () => { child.kill(signal) })
  }
  child.on('error', error => {
    console.error(`error: ${node} could not be started: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function findNode () {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  const program = process.platform === 'win32' ? 'node.exe' : 'node'
  const places = [process.env.FLOTILLA_NODE]
  for (const folder of [name, `node-bin-${process.platform}-${process.arch}`]) {
    places.push(join(__dirname, '..', 'node_modules', folder, 'bin', program), join(__dirname, '..', '..', folder, 'bin', program))
  }
  return places.find(place => place !== undefined && place !== '' && existsSync(place))
}
