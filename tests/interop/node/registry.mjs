// A client of Atoll's registry, without packages.

const BEAT_EVERY_MS = 15_000;

export class ServiceRegistryClient {
  #authorization;
  #timer;
  #incarnation = 0;

  constructor(registryUrl, serviceName, secret) {
    this.registryUrl = registryUrl.replace(/\/$/, '');
    this.serviceName = serviceName;
    this.#authorization = `Basic ${Buffer.from(`${serviceName}:${secret}`).toString('base64')}`;
  }

  /** `instance` is {id, host, port, metadata}. Beats from now on. */
  async start(instance) {
    this.instance = instance;
    await this.register();
    this.#timer = setInterval(() => this.beat().catch(console.error), BEAT_EVERY_MS);
  }

  async register() {
    // Each registration of an id needs a higher number than the one before.
    this.#incarnation = Math.max(Date.now(), this.#incarnation + 1);
    const instance = { ...this.instance, incarnation: this.#incarnation };
    return this.#post('/register', { serviceName: this.serviceName, instance });
  }

  /** Forgotten (404), or replaced by what has deregistered us (409): register again. */
  async beat() {
    try {
      return await this.#post('/heartbeat', this.#named());
    } catch (error) {
      if (error.status !== 404 && error.status !== 409) throw error;
      return this.register();
    }
  }

  async stop() {
    clearInterval(this.#timer);
    return this.#post('/deregister', this.#named());
  }

  async discover(serviceName) {
    return this.#ask(`/discover/${serviceName}`, {});
  }

  #named() {
    return { serviceName: this.serviceName, instanceId: this.instance.id, incarnation: this.#incarnation };
  }

  #post(path, body) {
    return this.#ask(path, { method: 'POST', body: JSON.stringify(body) });
  }

  async #ask(path, options) {
    const headers = { Authorization: this.#authorization, 'Content-Type': 'application/json' };
    const answer = await fetch(this.registryUrl + path, { ...options, headers });
    const body = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(body.message), { status: answer.status, code: body.code });
    return body;
  }
}
