/**
 * The one-line embed:
 *
 *   <script type="module" src="https://host/widget.js" data-tenant="demo"></script>
 *
 * Options: data-tenant, data-lang (zh, en), data-color, data-position (right, left), data-open, data-title,
 * data-questions ("first|second"). An element with `data-xiaoer-ask="a question"` opens the chat with that question.
 */
import { ChatElement } from "./widget/view.js";

// document.currentScript is null in a module. After a redirect the address differs, hence the second look.
const script =
  [...document.querySelectorAll("script[src]")].find((tag) => tag.src === import.meta.url) ??
  document.querySelector('script[data-tenant][src*="widget.js"]');

if (!customElements.get("xiaoer-chat")) customElements.define("xiaoer-chat", ChatElement);

if (script && !document.querySelector("xiaoer-chat")) {
  const chat = document.createElement("xiaoer-chat");
  chat.setAttribute("server", new URL(".", import.meta.url).href);
  for (const name of ["tenant", "lang", "color", "position", "open", "title", "questions"]) {
    const value = script.dataset[name];
    if (value !== undefined) chat.setAttribute(name === "title" ? "heading" : name, value);
  }
  document.body.append(chat);
}
