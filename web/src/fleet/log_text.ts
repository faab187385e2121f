// What a program wrote, as text that only says something: without the sequences that command a
// terminal, and without marks that turn the order of letters around. Pure.

// CSI, OSC (ended by BEL or ST), the other strings, and single escapes.
const sequences = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]?/g;
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export function plain_text(written: string): string {
  return written
    .replace(sequences, '')
    .replace(/\r\n/g, '\n')
    // A bar of progress writes over its own line: the last of it stands.
    .replace(/[^\n]*\r(?=[^\n])/g, '')
    .replace(controls, '');
}
