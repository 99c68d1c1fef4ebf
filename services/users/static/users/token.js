// The token of the mail is behind #, which browsers send to no server. It leaves the address at once.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const field = document.querySelector("input[name=token]");
if (token && field) {
  field.value = token;
  history.replaceState(null, "", location.pathname);
}
