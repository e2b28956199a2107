/** What the development identity provider remembers between requests: in memory, gone with the process. */

interface Kept {
  payload: Payload;
  readonly untilMs: number;
}
interface Payload {
  readonly grantId?: string;
  readonly uid?: string;
  readonly userCode?: string;
  consumed?: number;
}

const keptMax = 10_000;

/** @returns oidc-provider's adapter: one object per model, all over one map. */
export function adapterOver(kept: Map<string, Kept>): (model: string) => object {
  const find = (test: (key: string, payload: Payload) => boolean): Payload | undefined => {
    for (const [key, { payload, untilMs }] of kept) if (untilMs > Date.now() && test(key, payload)) return payload;
    return undefined;
  };
  return (model) => ({
    upsert: async (id: string, payload: Payload, expiresInSeconds?: number) => {
      const oldest = kept.keys().next().value;
      if (kept.size >= keptMax && oldest !== undefined) kept.delete(oldest);
      kept.set(`${model}:${id}`, { payload, untilMs: Date.now() + (expiresInSeconds ?? 86_400) * 1_000 });
    },
    find: async (id: string) => find((key) => key === `${model}:${id}`),
    findByUid: async (uid: string) => find((key, payload) => key.startsWith(`${model}:`) && payload.uid === uid),
    findByUserCode: async (userCode: string) =>
      find((key, payload) => key.startsWith(`${model}:`) && payload.userCode === userCode),
    consume: async (id: string) => {
      const one = kept.get(`${model}:${id}`);
      if (one) one.payload.consumed = Math.floor(Date.now() / 1_000);
    },
    destroy: async (id: string) => {
      kept.delete(`${model}:${id}`);
    },
    revokeByGrantId: async (grantId: string) => {
      for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
    },
  });
}
