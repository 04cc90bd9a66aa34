/** The demo shop's language: the address's `?lang=`, else what was chosen before, else the browser's. */

const root = document.documentElement;

function chosen() {
  try {
    return localStorage.getItem("shop-lang");
  } catch {
    return null;
  }
}

function show(lang) {
  root.lang = root.dataset.lang = lang;
  document.title = lang === "zh" ? "店小二茶铺" : "Xiaoer Tea House";
  for (const asker of document.querySelectorAll("[data-zh]")) asker.dataset.xiaoerAsk = asker.dataset[lang];
  // The widget may be there already or come later; it reads either.
  document.querySelector("script[data-tenant]").dataset.lang = lang;
  document.querySelector("xiaoer-chat")?.setAttribute("lang", lang);
}

const asked = new URLSearchParams(location.search).get("lang") ?? chosen() ?? navigator.language;
show(/^zh\b/i.test(asked) ? "zh" : "en");

document.getElementById("toggle").addEventListener("click", () => {
  const lang = root.lang === "zh" ? "en" : "zh";
  show(lang);
  try {
    localStorage.setItem("shop-lang", lang);
  } catch {
    // Then it is asked again on the next page.
  }
});
