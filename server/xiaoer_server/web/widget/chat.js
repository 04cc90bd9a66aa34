/** One visitor's chat: session, connection, log and outbox together. */
import { Connection } from "./connection.js";
import { Log } from "./log.js";
import { Outbox } from "./outbox.js";
import { Session } from "./session.js";

// How long the dots are shown.
const ACK_DOTS = 10_000;
const ASSISTANT_DOTS = 60_000;
const AGENT_DOTS = 6_000;
const TYPING_EVERY = 3_000;

export class Chat {
  /**
   * Tells the view: `changed(entry?)` (without an entry it is `typing`), `finished(entry)`, `state(name)`,
   * `complain(code)` (an error of no message), `cleared()` (another conversation begins).
   */
  constructor(server, tenant, view) {
    this.view = view;
    this.session = new Session(server, tenant);
    this.log = new Log((entry) => view.changed(entry));
    this.connection = new Connection(this.session, this);
    this.outbox = new Outbox(this.log, this.session.key, (frame) => this.connection.send(frame));
    this.outbox.restore();
    this.conversation = this.session.current?.conversation;
    this.typingUntil = 0;
    this.typedAt = 0;
    this.told = 0;
  }

  /** Highest entry seen, in any tab. */
  get seen() {
    return this.session.store.get(`${this.session.key}:seen`) ?? 0;
  }

  set seen(seq) {
    this.session.store.set(`${this.session.key}:seen`, seq);
  }

  get unread() {
    const seen = this.seen;
    return this.log.entries.filter(({ role, seq, done }) => role !== "visitor" && done && seq > seen).length;
  }

  get typing() {
    return this.typingUntil > Date.now() && this.log.entries.at(-1)?.done !== false;
  }

  start() {
    this.connection.start();
  }

  send(text) {
    this.start();
    this.outbox.add(text);
  }

  typed() {
    if (Date.now() - this.typedAt > TYPING_EVERY && this.connection.send({ type: "typing" })) {
      this.typedAt = Date.now();
    }
  }

  /** The visitor sees everything that is here. */
  read() {
    const seq = this.log.whole;
    if (seq > this.seen) this.seen = seq;
    if (seq > this.told && this.connection.send({ type: "read", seq })) this.told = seq;
  }

  judge(entry, value) {
    if (!this.connection.send({ type: "feedback", seq: entry.seq, value })) return this.view.complain("timeout");
    entry.opinion = value;
    this.view.changed(entry);
  }

  state(state) {
    if (state === "open") this.outbox.connected();
    this.view.state(state);
  }

  /** A new token may stand for another conversation: its log begins anew. */
  cursor() {
    const { conversation } = this.session.current;
    if (this.conversation !== undefined && this.conversation !== conversation) this.restart();
    this.conversation = conversation;
    return this.log.cursor();
  }

  /** What was not sent yet goes to the new conversation. */
  restart() {
    const waiting = this.log.pending;
    this.log.clear();
    this.log.pending = waiting;
    this.told = this.seen = 0;
    this.view.cleared();
  }

  frame(frame) {
    switch (frame.type) {
      case "ack":
        this.log.ack(frame.client_id, frame.seq);
        this.outbox.settled();
        this.expect(ACK_DOTS);
        break;
      case "message":
        this.keep(this.log.message(frame));
        if (frame.client_id) this.outbox.settled();
        if (frame.role === "visitor") this.expect(Date.parse(frame.at) + ACK_DOTS - Date.now());
        else this.expect(0);
        if (frame.role === "agent" || frame.role === "system") this.finish(frame.seq);
        break;
      case "delta":
        this.keep(this.log.delta(frame));
        break;
      case "done":
        this.keep(this.log.done(frame));
        this.finish(frame.seq);
        break;
      case "typing":
        // Without a role it is the visitor, on another of their pages.
        if (frame.role) this.expect(frame.role === "assistant" ? ASSISTANT_DOTS : AGENT_DOTS);
        break;
      case "error":
        this.error(frame);
        break;
    }
  }

  keep(complete) {
    if (!complete) this.connection.again();
  }

  finish(seq) {
    const entry = this.log.bySeq.get(seq);
    if (!entry?.done || entry.told) return;
    entry.told = true;
    this.expect(0);
    this.view.finished(entry);
  }

  /** Dots are shown for at most `milliseconds` from now. */
  expect(milliseconds) {
    this.typingUntil = Date.now() + milliseconds;
    clearTimeout(this.typingTimer);
    if (milliseconds > 0) this.typingTimer = setTimeout(() => this.view.changed(), milliseconds);
    this.view.changed();
  }

  error(frame) {
    if (frame.code === "draining" && !frame.client_id) this.connection.again((frame.retry_after ?? 1) * 1000);
    else if (frame.client_id) this.outbox.refused(frame.client_id, frame);
    else {
      this.expect(0);
      this.view.complain(frame.code);
    }
  }
}
