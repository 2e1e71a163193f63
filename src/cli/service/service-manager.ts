import type { Logger } from '../../platform/logger.ts'

/** systemd-notify waits until the service manager has read the message; a service manager that hangs shall not keep it. */
const patienceMs = 10_000

/**
 * Tells the service manager that has started this process that the peer is ready: READY=1 on the
 * socket that `NOTIFY_SOCKET` names (sd_notify(3)). The socket takes datagrams, which Node.js
 * cannot send, so systemd's own program does it. What fails is only logged.
 */
export async function tellReady (environment: Readonly<Record<string, string | undefined>>, logger: Logger): Promise<void> {
  if ((environment.NOTIFY_SOCKET ?? '') === '') return
  try {
    const [{ execFile }, { promisify }] = await Promise.all([import('node:child_process'), import('node:util')])
    await promisify(execFile)('systemd-notify', ['--ready'], { env: environment, timeout: patienceMs })
  } catch (error) {
    logger.warn(`the service manager was not told that the peer is ready: ${reason(error)}: put systemd-notify on the PATH, or use a unit of Type=simple`)
  }
}

function reason (error: unknown): string {
  const { code, stderr, message } = error as { code?: unknown, stderr?: string, message: string }
  if (code === 'ENOENT') return 'there is no program systemd-notify'
  return (stderr ?? '').trim() || message
}
