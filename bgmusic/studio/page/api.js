// Requests to the studio's server. The token comes with the address that the server printed.

const KEY = "bgmusic-studio-token";
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname);
}
addEventListener("hashchange", () => location.reload()); // the address of a studio that was started again
const headers = { "X-Studio-Token": sessionStorage.getItem(KEY) ?? "" };

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Error("the studio's server does not answer: is it still running?");
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Error(body.error ?? `the server answered ${response.status}`);
  }
  return response;
}

export async function get(path) {
  return (await answer(fetch(`/api/${path}`, { headers }))).json();
}

export async function post(path, body) {
  const raw = body instanceof Blob || body instanceof ArrayBuffer;
  const content = raw ? body : JSON.stringify(body ?? {});
  return (await answer(fetch(`/api/${path}`, { method: "POST", headers, body: content }))).json();
}

export async function file(kind) {
  return (await answer(fetch(`/api/export/${kind}`, { headers }))).blob();
}

export async function download(kind, name) {
  const blob = await file(kind);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Read news as they come, and begin anew when the connection breaks. `hear(event, data)`.
export async function listen(hear) {
  for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
    try {
      const response = await answer(fetch("/api/events", { headers }));
      wait = 500;
      hear("connected", {});
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          const news = text.slice(0, end).match(/^event: (\w+)\ndata: (.*)$/s);
          if (news) hear(news[1], JSON.parse(news[2]));
        }
      }
    } catch (error) {
      hear("lost", { error: error.message });
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
