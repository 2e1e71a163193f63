/**
 * The runtime's `node:http`. An `import` of it reads every export, also those that load a whole
 * second HTTP client (`WebSocket` and its kin): 35 ms of each start, for nothing.
 */
export const http = process.getBuiltinModule('node:http')
