/** Sends messages until the server has them: over drops and reloads, under one client_id each, so never twice. */
import { storage } from "./dom.js";

const PATIENCE = 20_000;
const TRIES = 5;

/** randomUUID exists on secure pages only. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Outbox {
  constructor(log, key, send) {
    this.log = log;
    this.key = `${key}:outbox`;
    this.send = send;
    this.store = storage("sessionStorage");
    this.notBefore = 0;
    this.careful = false; // after "too fast" only one message is under way at a time
  }

  /** What was under way when the page was reloaded. */
  restore() {
    for (const { clientId, text, at } of this.store.get(this.key) ?? []) this.watch(this.log.write(clientId, text, at));
  }

  add(text) {
    this.watch(this.log.write(newId(), text));
    this.save();
    this.flush();
  }

  retry(entry) {
    Object.assign(entry, { state: "sending", reason: undefined, tries: 0, underWay: false });
    this.log.changed(entry);
    this.watch(entry);
    this.flush();
  }

  /** What was under way on the old connection is lost. */
  connected() {
    this.careful = false;
    for (const entry of this.log.pending) {
      entry.underWay = false;
      if (entry.reason === "timeout") this.retry(entry);
    }
    this.flush();
  }

  flush() {
    const wait = this.notBefore - Date.now();
    clearTimeout(this.timer);
    if (wait > 0) {
      this.timer = setTimeout(() => this.flush(), wait);
      return;
    }
    for (const entry of this.log.pending) {
      if (this.careful && this.log.pending.some((other) => other.underWay)) return;
      if (entry.underWay || entry.state === "failed") continue;
      if (!this.send({ type: "message", client_id: entry.clientId, text: entry.text })) return;
      entry.underWay = true;
    }
  }

  /** After an ack, or after the log itself brought the message. */
  settled() {
    this.save();
    if (!this.log.pending.length) this.careful = false;
    this.flush();
  }

  /** Not taken: wait as long as the server says, or let the visitor decide. */
  refused(clientId, { code, retry_after: wait }) {
    const entry = this.log.pending.find((other) => other.clientId === clientId);
    if (!entry) return;
    entry.underWay = false;
    entry.tries = (entry.tries ?? 0) + (code === "rate_limited" ? 0 : 1);
    if (wait === undefined || entry.tries > TRIES) {
      this.fail(entry, code);
    } else {
      entry.reason = code;
      this.log.changed(entry);
      this.careful = true;
      this.notBefore = Math.max(this.notBefore, Date.now() + wait * 1000);
    }
    this.flush();
  }

  fail(entry, reason) {
    Object.assign(entry, { state: "failed", reason });
    this.log.changed(entry);
  }

  /** Nobody looks at "sending" for ever; one that waits its turn is not late. */
  watch(entry) {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => {
      if (entry.state !== "sending") return;
      if (this.careful) this.watch(entry);
      else this.fail(entry, "timeout");
    }, PATIENCE);
  }

  save() {
    const waiting = this.log.pending.map(({ clientId, text, at }) => ({ clientId, text, at }));
    this.store.set(this.key, waiting);
  }
}
