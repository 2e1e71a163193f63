/** Time for another peer to answer a question about one pin or itself, in milliseconds (spec/components.md 1.10). */
export const peerAnswerMs = 15_000
