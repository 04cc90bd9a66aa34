/**
 * The conversation as this page knows it. Frames may overlap or repeat: an entry is there once, its text a prefix of
 * the server's. Where a piece is missing a method returns false, and the caller resumes from `cursor()`.
 *
 * An entry: {seq, role, text, length, at, done, html?, sources?, interrupted?, clientId?, state?, reason?}; `length`
 * in code points. A message without an ack has no seq and waits in `pending`, its `state` sending or failed.
 */

/** Code points, as the server counts; JavaScript counts UTF-16 units. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

const WHOLE = new Set(["stop", "length", "content_filter"]);

export class Log {
  /** `changed(entry)`: it is new or different. */
  constructor(changed) {
    this.changed = changed;
    this.clear();
  }

  clear() {
    this.entries = [];
    this.pending = [];
    this.bySeq = new Map();
    this.whole = 0; // entries 1 … whole are all here and finished
  }

  /** The fields of a `resume` frame. */
  cursor() {
    const next = this.bySeq.get(this.whole + 1);
    return next?.length ? { after: next.seq, offset: next.length } : { after: this.whole };
  }

  /** A message that the visitor just wrote. */
  write(clientId, text, at = Date.now()) {
    const entry = { role: "visitor", clientId, text, at, state: "sending", done: true };
    this.pending.push(entry);
    this.changed(entry);
    return entry;
  }

  /** The server has it, for good. */
  ack(clientId, seq) {
    const entry = this.take(clientId);
    if (!entry) return;
    if (this.bySeq.has(seq)) this.changed(Object.assign(entry, { gone: true }));
    else this.place(Object.assign(entry, { seq, state: "sent" }));
  }

  message(frame) {
    const { seq, role, text, html } = frame;
    let entry = this.bySeq.get(seq);
    if (entry?.done && (role !== "visitor" || entry.text === text)) return true;
    if (!entry) {
      entry = (frame.client_id && this.take(frame.client_id)) || { role };
      entry.seq = seq;
    }
    // An assistant's entry ends with its own `done`, also when its text came whole.
    Object.assign(entry, { text, html, length: codePoints(text), at: frame.at, done: role !== "assistant" });
    if (role === "visitor") entry.state = "sent";
    if (frame.status === "interrupted") entry.interrupted = true;
    this.place(entry);
    return true;
  }

  delta({ seq, offset, text }) {
    let entry = this.bySeq.get(seq);
    if (entry?.done) return true;
    if (offset > (entry?.length ?? 0)) return false;
    entry ??= { seq, role: "assistant", text: "", length: 0, at: Date.now(), done: false };
    const fresh = [...text].slice(entry.length - offset);
    entry.text += fresh.join("");
    entry.length += fresh.length;
    this.place(entry);
    return true;
  }

  done({ seq, finish_reason: reason, sources, html }) {
    const entry = this.bySeq.get(seq);
    if (!entry) return false;
    if (entry.done) return true;
    entry.done = true;
    entry.sources = sources;
    if (html !== undefined) entry.html = html;
    if (!WHOLE.has(reason)) entry.interrupted = true;
    this.place(entry);
    return true;
  }

  take(clientId) {
    const at = this.pending.findIndex((entry) => entry.clientId === clientId);
    return at < 0 ? undefined : this.pending.splice(at, 1)[0];
  }

  place(entry) {
    if (!this.bySeq.has(entry.seq)) {
      this.bySeq.set(entry.seq, entry);
      let at = this.entries.length;
      while (at > 0 && this.entries[at - 1].seq > entry.seq) at -= 1;
      this.entries.splice(at, 0, entry);
    }
    while (this.bySeq.get(this.whole + 1)?.done) this.whole += 1;
    this.changed(entry);
  }
}
