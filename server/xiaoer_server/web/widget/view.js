/** `<xiaoer-chat>`: launcher, panel, log and composer in a shadow root. */
import { Chat } from "./chat.js";
import { h, icon } from "./dom.js";
import { texts } from "./i18n.js";
import { Row } from "./row.js";
import { sheet } from "./style.js";
import { paint } from "./theme.js";

const LONGEST = 4_000;
const NEAR = 80;
const small = matchMedia("(max-width: 479.98px), (max-height: 479.98px)");

/**
 * Attributes: server (with a trailing slash), tenant, lang, color, position, open, heading, questions
 * ("first|second"). `show(question?)` opens it with a question ready to send, `hide()` closes it.
 */
export class ChatElement extends HTMLElement {
  static observedAttributes = ["lang", "color", "heading", "questions"];

  constructor() {
    super();
    this.rows = new Map();
    this.dirty = new Set();
    this.frame = 0;
    this.build(this.attachShadow({ mode: "open" }));
  }

  build(root) {
    root.adoptedStyleSheets = [sheet];
    this.badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
    this.launcher = h(
      "button",
      { class: "launcher", type: "button", "aria-expanded": "false", onclick: () => this.toggle() },
      icon("chat"),
      icon("down"),
      this.badge,
    );
    this.heading = h("h2", { id: "heading" });
    this.presence = h("span", { class: "presence" });
    this.closer = h("button", { class: "round close", type: "button", onclick: () => this.hide() }, icon("close"));
    this.barText = h("span");
    this.barButton = h("button", { type: "button", onclick: () => this.chat.connection.connect() });
    this.bar = h("div", { class: "bar", role: "status", hidden: true }, this.barText, this.barButton);
    this.helloTitle = h("h3");
    this.helloText = h("p");
    this.starters = h("ul");
    this.hello = h("div", { class: "hello" }, h("div", { class: "mark" }, icon("chat")), this.helloTitle, this.helloText, this.starters);
    this.dots = h("div", { class: "typing", role: "img", hidden: true }, h("i"), h("i"), h("i"));
    this.log = h("div", { class: "log" }, this.hello, this.dots);
    // Silent: screen readers are told of whole answers through `announcer`, not of every token.
    const silent = { class: "scroll", tabindex: "0", role: "log", "aria-live": "off" };
    this.scroll = h("div", { ...silent, onscroll: () => this.scrolled() }, this.log);
    this.announcer = h("div", { class: "sr", "aria-live": "polite" });
    this.notice = h("div", { class: "bar", role: "alert", hidden: true });
    this.latest = h(
      "button",
      { class: "latest", type: "button", hidden: true, onclick: () => this.toEnd(true) },
      icon("down"),
    );
    this.input = h("textarea", {
      rows: "1",
      maxlength: LONGEST,
      enterkeyhint: "send",
      autocomplete: "off",
      oninput: () => this.typed(),
      onkeydown: (event) => this.keyInInput(event),
    });
    this.sender = h("button", { class: "send", type: "submit", disabled: true }, icon("send"));
    this.count = h("div", { class: "count", hidden: true });
    const form = h("form", { onsubmit: (event) => this.submit(event) }, this.input, this.sender);
    this.panel = h(
      "div",
      {
        class: "panel",
        role: "dialog",
        tabindex: "-1",
        "aria-labelledby": "heading",
        hidden: true,
        onkeydown: (event) => this.keyInPanel(event),
      },
      h(
        "header",
        {},
        h("div", { class: "mark" }, icon("chat")),
        h("div", { class: "who" }, this.heading, this.presence),
        this.closer,
      ),
      this.bar,
      this.scroll,
      this.notice,
      h("div", { class: "foot" }, this.latest, form, this.count),
    );
    root.append(this.panel, this.launcher, this.announcer);
  }

  connectedCallback() {
    this.server = this.getAttribute("server") ?? new URL("..", import.meta.url).href;
    this.chat ??= new Chat(this.server, this.getAttribute("tenant") ?? "demo", this);
    this.listening = new AbortController();
    const { signal } = this.listening;
    const fit = () => this.fitSheet();
    document.addEventListener("click", (event) => this.ask(event), { signal });
    document.addEventListener("visibilitychange", () => this.changed(), { signal });
    small.addEventListener("change", fit, { signal });
    visualViewport?.addEventListener("resize", fit, { signal });
    visualViewport?.addEventListener("scroll", fit, { signal });
    this.resized ??= new ResizeObserver(() => this.following && this.toEnd(false));
    this.resized.observe(this.scroll);
    paint(this, this.getAttribute("color"));
    this.relabel();
    // Who was here before may have an answer waiting; others cost the server nothing until they open it.
    if (this.chat.session.known || this.chat.log.pending.length) this.chat.start();
    if (this.hasAttribute("open") && this.getAttribute("open") !== "false") this.show();
  }

  disconnectedCallback() {
    this.listening.abort();
    this.hide();
    this.chat.connection.stop();
  }

  attributeChangedCallback(name) {
    if (!this.chat) return;
    if (name === "color") paint(this, this.getAttribute("color"));
    else this.relabel();
  }

  get shown() {
    return !this.panel.hidden;
  }

  toggle() {
    if (this.shown) this.hide();
    else this.show();
  }

  show(question) {
    if (!this.shown) {
      this.returnTo = document.activeElement;
      this.panel.hidden = false;
      this.launcher.setAttribute("aria-expanded", "true");
      this.chat.start();
      this.fitSheet();
      this.changed();
      this.toEnd(false);
    }
    if (question) {
      this.input.value = question;
      this.typed();
    }
    this.settle(question);
  }

  /** On a phone the keyboard comes up only for who is writing. */
  settle(writing) {
    (writing || !small.matches ? this.input : this.panel).focus({ preventScroll: true });
  }

  hide() {
    if (!this.shown) return;
    this.panel.hidden = true;
    this.launcher.setAttribute("aria-expanded", "false");
    this.fitSheet();
    const goal = this.returnTo;
    if (goal?.isConnected && goal !== document.body && goal !== this) goal.focus();
    else this.launcher.focus({ preventScroll: true });
    this.changed();
  }

  ask(event) {
    const asker = event.target.closest?.("[data-xiaoer-ask]");
    if (!asker) return;
    event.preventDefault();
    this.show(asker.dataset.xiaoerAsk);
  }

  /** On a phone the panel fills what the keyboard leaves, and the page behind it stands still. */
  fitSheet() {
    const sheet = small.matches;
    const full = sheet && this.shown;
    this.classList.toggle("sheet", sheet);
    this.panel.setAttribute("aria-modal", String(full));
    const root = document.documentElement;
    if (full && this.overflow === undefined) {
      this.overflow = root.style.overflow;
      root.style.overflow = "hidden";
    } else if (!full && this.overflow !== undefined) {
      root.style.overflow = this.overflow;
      this.overflow = undefined;
    }
    if (!full || !visualViewport) return;
    this.style.setProperty("--top", `${visualViewport.offsetTop}px`);
    this.style.setProperty("--height", `${visualViewport.height}px`);
  }

  keyInPanel(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      this.hide();
    } else if (event.key === "Tab") {
      const stops = [...this.panel.querySelectorAll("button, textarea, [tabindex], a[href]")].filter(
        (node) => !node.disabled && node.checkVisibility(),
      );
      const edge = event.shiftKey ? stops[0] : stops.at(-1);
      if (![edge, this.panel].includes(this.shadowRoot.activeElement)) return;
      event.preventDefault();
      (event.shiftKey ? stops.at(-1) : stops[0]).focus();
    }
  }

  keyInInput(event) {
    // Enter picks a word while an input method composes. Safari tells it as key 229, after the fact.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit(event);
  }

  typed() {
    const { value } = this.input;
    this.sender.disabled = !value.trim();
    this.count.hidden = value.length < LONGEST - 400;
    this.count.textContent = `${value.length} / ${LONGEST}`;
    this.input.style.height = "";
    if (this.input.scrollHeight > 40) this.input.style.height = `${this.input.scrollHeight}px`;
    if (value.trim()) this.chat.typed();
  }

  submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.typed();
    this.send(text, true);
  }

  send(text, writing) {
    this.notice.hidden = true;
    this.chat.send(text);
    this.toEnd(false);
    this.settle(writing);
  }

  /** Many changes in one frame are drawn once. */
  changed(entry) {
    if (entry) this.dirty.add(entry);
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const stick = this.following;
    const order = [...this.chat.log.entries, ...this.chat.log.pending];
    let next = this.dots;
    for (let at = order.length - 1; at >= 0; at -= 1) {
      const entry = order[at];
      const row = this.rows.get(entry) ?? this.newRow(entry);
      if (row.node.nextSibling !== next) this.log.insertBefore(row.node, next);
      if (this.dirty.has(entry)) row.update(this.t, order[at - 1]);
      next = row.node;
    }
    for (const entry of this.dirty) if (entry.gone) this.removeRow(entry);
    this.dirty.clear();
    this.hello.hidden = this.rows.size > 0;
    this.dots.hidden = !this.chat.typing;
    if (this.shown && !document.hidden) this.chat.read();
    const unread = this.shown ? 0 : this.chat.unread;
    this.badge.hidden = !unread;
    this.badge.textContent = unread > 99 ? "99+" : unread;
    const label = this.shown ? this.t.close : this.t.open;
    this.launcher.setAttribute("aria-label", unread ? `${label} (${this.t.unread(unread)})` : label);
    if (stick) this.toEnd(false);
    this.scrolled();
  }

  newRow(entry) {
    const row = new Row(entry, this.server, this.chat);
    this.rows.set(entry, row);
    return row;
  }

  removeRow(entry) {
    this.rows.get(entry)?.node.remove();
    this.rows.delete(entry);
  }

  finished(entry) {
    if (entry.seq <= this.chat.seen) return;
    this.changed(entry);
    requestAnimationFrame(() => {
      const row = this.rows.get(entry);
      if (!row) return;
      const said = `${row.author.textContent} ${row.text.textContent}`;
      this.announcer.textContent = this.shown ? said : this.t.unread(this.chat.unread);
    });
  }

  state(state) {
    this.panel.dataset.state = state;
    const text = this.t.bar[state === "connecting" && !this.bar.hidden ? "waiting" : state];
    this.presence.textContent = this.t.state[state];
    if (text && this.barText.textContent !== text) this.barText.textContent = text;
    this.bar.hidden = !text;
    this.barButton.hidden = state === "offline";
    if (state === "open") this.notice.hidden = true;
  }

  complain(code) {
    this.notice.textContent = this.t.errors[code] ?? this.t.errors.other;
    this.notice.hidden = false;
  }

  cleared() {
    for (const entry of this.rows.keys()) this.removeRow(entry);
    for (const entry of this.chat.log.pending) this.changed(entry);
    this.changed();
  }

  get atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < NEAR;
  }

  scrolled() {
    this.following = this.atEnd;
    this.latest.hidden = this.atEnd;
  }

  toEnd(smooth) {
    this.following = true;
    const gentle = smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroll.scrollTo({ top: this.scroll.scrollHeight, behavior: gentle ? "smooth" : "instant" });
  }

  relabel() {
    const t = (this.t = texts(this.getAttribute("lang")));
    this.panel.lang = t.tag;
    this.heading.textContent = this.getAttribute("heading") ?? t.title;
    this.helloTitle.textContent = t.hello;
    this.helloText.textContent = t.intro;
    const questions = this.getAttribute("questions")?.split("|") ?? t.questions;
    this.starters.replaceChildren(
      ...questions
        .map((question) => question.trim())
        .filter(Boolean)
        .map((question) => h("li", {}, h("button", { type: "button", onclick: () => this.send(question) }, question))),
    );
    this.input.placeholder = t.placeholder;
    for (const [node, label] of [
      [this.closer, t.close],
      [this.scroll, t.log],
      [this.dots, t.typing],
      [this.latest, t.latest],
      [this.input, t.input],
      [this.sender, t.send],
    ]) {
      node.setAttribute("aria-label", label);
    }
    this.barButton.textContent = t.now;
    this.notice.hidden = true;
    this.state(this.chat.connection.state);
    for (const entry of this.rows.keys()) this.dirty.add(entry);
    this.changed();
  }
}
