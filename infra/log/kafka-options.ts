/** How a process reaches its brokers. */
export interface KafkaOptions {
  /** `host:port` of some brokers; they name the others. */
  readonly brokers: readonly string[];
  /** This process, as the brokers' quotas and logs name it; consumer groups begin with it. */
  readonly clientId: string;
  /** PEM texts; null: no TLS. Without `ca` the system's authorities. The broker's name is always checked. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
  readonly sasl: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  } | null;
}
