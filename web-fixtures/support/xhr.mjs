// As much of a browser's XMLHttpRequest, over fetch, as old Phoenix clients poll with.

export class XMLHttpRequest {
  readyState = 0;
  status = 0;
  responseText = "";
  onreadystatechange = () => {};
  onerror = () => {};
  #aborting = new AbortController();
  #headers = {};
  #method;
  #url;

  open(method, url) {
    this.#method = method;
    this.#url = url.replace(/^ws/, "http");
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  abort() {
    this.#aborting.abort();
  }

  async send(body) {
    const { signal } = this.#aborting;
    try {
      const response = await fetch(this.#url, { method: this.#method, headers: this.#headers, body: body ?? undefined, signal });
      this.responseText = await response.text();
      this.status = response.status;
      this.readyState = 4;
      this.onreadystatechange();
    } catch (error) {
      if (!signal.aborted) this.onerror(error);
    }
  }
}
