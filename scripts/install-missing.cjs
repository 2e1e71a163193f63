'use strict'
// Makes `npm test` safe as the first command in a fresh checkout: installs what is missing.
const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { execSync } = require('node:child_process')

const root = join(__dirname, '..')
if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) {
  console.log('Installing what is missing…')
  execSync('npm install --no-save --no-audit --no-fund', { cwd: root, stdio: 'inherit' })
}
