/** What the agent is asked: one JSON document per line on its stdin. */
export interface AgentRequest {
  readonly id: number;
  readonly action: 'listen' | 'probe';
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** What a udp probe sends, in base64. */
  readonly datagram?: string;
  /** Milliseconds that a probe waits for an answer. */
  readonly timeout: number;
}

/** `answered`: the port took the connection, or the datagram came back; for `listen`: somebody listens there now. */
export interface AgentReply {
  readonly id: number;
  readonly answered: boolean;
  /** The error's code, or a few words. */
  readonly reason: string;
  readonly milliseconds: number;
}

/**
 * The agent's program for `node -e`: it listens and probes in the namespace that it was started in. Text, not a file,
 * so that it needs no path: the sources, the bundle and a virtual machine start the same. It ends with its stdin, and
 * so with us, however we end.
 */
export const agentProgram = (): string => `(${agent.toString()})(require('node:net'), require('node:dgram'))`;

/** Only its text is used: nothing outside of it exists where it runs. */
function agent(net: typeof import('node:net'), dgram: typeof import('node:dgram')): void {
  type Settle = (answered: boolean, reason: string) => void;
  type Target = Pick<AgentRequest, 'protocol' | 'address' | 'port' | 'timeout' | 'datagram'>;
  const listening = new Set<string>();
  const family = (address: string): 'udp4' | 'udp6' => (net.isIPv6(address) ? 'udp6' : 'udp4');
  const reasonOf = (error: Error): string => ('code' in error ? String(error.code) : error.message);

  function listen(target: Target, settle: Settle): void {
    const key = `${target.protocol} ${target.address} ${target.port}`;
    if (listening.has(key)) {
      settle(true, 'listening');
      return;
    }
    const onListening = (): void => {
      listening.add(key);
      settle(true, 'listening');
    };
    const onError = (error: Error): void => settle(reasonOf(error) === 'EADDRINUSE', reasonOf(error));
    if (target.protocol === 'tcp') {
      const server = net.createServer((socket) => socket.on('error', () => {}).end());
      server.on('error', onError).listen({ host: target.address, port: target.port }, onListening);
      return;
    }
    const socket = dgram.createSocket(family(target.address));
    socket.on('error', onError);
    socket.on('message', (text, sender) => socket.send(text, sender.port, sender.address, () => {}));
    socket.bind({ address: target.address, port: target.port }, onListening);
  }

  function connect(target: Target, settle: Settle): void {
    const socket = net.connect({ host: target.address, port: target.port, autoSelectFamily: false });
    const end = (answered: boolean, reason: string): void => {
      clearTimeout(timer);
      socket.destroy();
      settle(answered, reason);
    };
    const timer = setTimeout(() => end(false, 'ETIMEDOUT'), target.timeout);
    socket.once('connect', () => end(true, 'connected')).on('error', (error) => end(false, reasonOf(error)));
  }

  function send(target: Target, settle: Settle): void {
    const socket = dgram.createSocket(family(target.address));
    let open = true;
    const end = (answered: boolean, reason: string): void => {
      if (!open) return;
      open = false;
      clearTimeout(timer);
      socket.close();
      settle(answered, reason);
    };
    const timer = setTimeout(() => end(false, 'ETIMEDOUT'), target.timeout);
    socket.on('error', (error) => end(false, reasonOf(error))).on('message', () => end(true, 'answered'));
    // Connected, so that the kernel reports a refusal and drops what comes from elsewhere.
    socket
      .once('connect', () => socket.send(Buffer.from(target.datagram ?? '', 'base64')))
      .connect(target.port, target.address);
  }

  function answer(line: string): void {
    const request: AgentRequest = JSON.parse(line);
    const start = performance.now();
    const settle: Settle = (answered, reason) => {
      const reply: AgentReply = { id: request.id, answered, reason, milliseconds: performance.now() - start };
      process.stdout.write(`${JSON.stringify(reply)}\n`);
    };
    if (request.action === 'listen') listen(request, settle);
    else if (request.protocol === 'tcp') connect(request, settle);
    else send(request, settle);
  }

  let rest = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('end', () => process.exit(0));
  process.stdin.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) answer(line);
  });
}
