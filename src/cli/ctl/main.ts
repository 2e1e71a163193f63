/** Runs `ipfs-cluster-ctl` with the arguments of this process and ends the process. */
export async function main (): Promise<never> {
  const [{ runProcess }, { program }] = await Promise.all([import('../command-line/process-terminal.ts'), import('./program.ts')])
  return await runProcess(program)
}

if (import.meta.main) await main()
