/** The WebSocket: opened, found dead, and opened again with backoff where the log ends. */

const OPEN_WITHIN = 10_000;
const QUIET = 25_000;
const PONG_WITHIN = 10_000;
const STABLE_AFTER = 3_000;

/** Milliseconds before attempt number `attempt`: half to whole of 0.5 s · 2^attempt, at most 30 s. */
export function backoff(attempt, random = Math.random) {
  const whole = Math.min(30_000, 500 * 2 ** attempt);
  return (whole / 2) * (1 + random());
}

/**
 * Tells the chat: `state(name)` of idle, connecting, open, waiting (for the next attempt), offline, refused (this page
 * is not served; only the visitor can ask again), and `frame(frame)`; `cursor()` gives the fields of `resume`.
 */
export class Connection {
  constructor(session, chat) {
    this.session = session;
    this.chat = chat;
    this.state = "idle";
    this.attempt = 0;
    this.refused = false;
    this.socket = null;
    this.turn = 0;
  }

  get open() {
    return this.state === "open";
  }

  start() {
    if (this.state !== "idle") return;
    this.listening = new AbortController();
    const { signal } = this.listening;
    addEventListener("online", () => this.state === "offline" && this.connect(), { signal });
    addEventListener("offline", () => this.lose("offline"), { signal });
    const look = () => this.state === "waiting" && !document.hidden && this.connect();
    document.addEventListener("visibilitychange", look, { signal });
    this.connect();
  }

  stop() {
    this.listening?.abort();
    this.lose("idle");
  }

  /** False when there is no open socket. */
  send(frame) {
    if (!this.open || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Resumes on a new socket: the log has a gap, or the server asked for it. */
  again(delay = 0) {
    this.lose("waiting");
    this.schedule(Math.max(delay, this.attempt > 1 ? backoff(this.attempt) : 0));
  }

  async connect() {
    if (!navigator.onLine) return this.lose("offline");
    this.lose("connecting");
    const turn = this.turn;
    let token;
    try {
      token = await this.session.token(this.refused);
    } catch (error) {
      if (turn !== this.turn) return;
      if (error.final) this.become("refused");
      else this.schedule(Math.max((error.retryAfter ?? 0) * 1000, backoff(this.attempt)));
      return;
    }
    if (turn !== this.turn) return;
    this.refused = false;
    const address = new URL("api/chat/ws", this.session.server);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.search = new URLSearchParams({ token, html: "1" });
    const socket = (this.socket = new WebSocket(address, ["xiaoer.v1"]));
    this.timer = setTimeout(() => this.again(backoff(this.attempt)), OPEN_WITHIN);
    socket.onopen = () => {
      clearTimeout(this.timer);
      this.stable = setTimeout(() => (this.attempt = 0), STABLE_AFTER);
      socket.send(JSON.stringify({ type: "resume", ...this.chat.cursor() }));
      this.become("open");
      this.listen();
    };
    socket.onmessage = ({ data }) => {
      this.listen();
      this.chat.frame(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.closed(code);
  }

  closed(code) {
    // Why a handshake failed is not told. If it was the token, a renewed one helps.
    this.refused = this.state === "connecting";
    // A restarting server has all its visitors back at once: spread them over a second.
    if (code === 1012 && this.attempt < 2) this.again(100 + 900 * Math.random());
    else {
      this.lose("waiting");
      this.schedule(backoff(this.attempt));
    }
  }

  schedule(delay) {
    this.attempt += 1;
    this.become("waiting");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), delay);
  }

  /** Any frame shows that the link lives; after a quiet while it is asked. */
  listen() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.send({ type: "ping" });
      this.timer = setTimeout(() => this.again(), PONG_WITHIN);
    }, QUIET);
  }

  /** Lets go of the socket at once: a dead link's close event comes minutes late. */
  lose(state) {
    this.turn += 1;
    clearTimeout(this.timer);
    clearTimeout(this.stable);
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.become(state);
  }

  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.chat.state(state);
  }
}
