// With scripts on, a picture is sent as soon as it is chosen or dropped, and only the answer changes.
const form = document.querySelector("form");
const drop = form.querySelector(".drop");
const input = form.querySelector("input");
const status = document.querySelector("[role=status]");

async function ask(file) {
  if (!file) return;
  const body = new FormData();
  body.append("picture", file);
  form.classList.add("busy");
  status.textContent = "Looking …";
  try {
    const response = await fetch("/", { method: "POST", body });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    document.querySelector("#answer").replaceWith(page.querySelector("#answer")); // throws where there is none
    status.textContent = "";
    document.querySelector("#answer").focus();
  } catch {
    status.textContent = "No answer: the server has stopped, or refused a file this large.";
  }
  form.classList.remove("busy");
}

form.querySelector("button.ask").hidden = true;
form.addEventListener("submit", (event) => { event.preventDefault(); ask(input.files[0]); });
input.addEventListener("change", () => ask(input.files[0]));
for (const type of ["dragenter", "dragover"]) {
  document.addEventListener(type, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  ask(event.dataTransfer.files[0]);
});
