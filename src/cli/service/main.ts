import { runProcess } from '../command-line/process-terminal.ts'
import { serviceProgram } from './program.ts'

/** `ipfs-cluster-service` with this process's arguments; ends the process. */
export async function main (): Promise<never> {
  return await runProcess(serviceProgram())
}

if (import.meta.main) await main()
