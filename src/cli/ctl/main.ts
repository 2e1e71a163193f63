import { enableCompileCache } from 'node:module'

enableCompileCache()
const [{ runProcess }, { program }] = await Promise.all([import('../command-line/process-terminal.ts'), import('./program.ts')])
await runProcess(program)
