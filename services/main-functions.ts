/** Functions of the targets with the digests of their definitions, as a summary in catalog.yaml names them. */
import { loadConfig } from "../infra/config.ts";
import { ThroughlineError } from "../schemas/errors.ts";
import { createCatalog } from "./gateway/effects/catalog.ts";
import { type DescribableFunction, describable } from "./gateway/effects/described.ts";
import { createCatalogLoader } from "./gateway/postgres/catalog.ts";
import { accountOf } from "./main-readers.ts";

/**
 * @param file the configuration @param target only this one; null = all
 * @throws ThroughlineError `target.unknown`, `target.unreachable`, `target.refused`
 */
export async function functionsAt(file: string, target: string | null): Promise<readonly DescribableFunction[]> {
  const { targets } = await loadConfig(file);
  const asked = targets.filter(({ name }) => target === null || name === target);
  if (asked.length === 0) throw new ThroughlineError("target.unknown", `no target has the name ${target}`);
  const found: DescribableFunction[] = [];
  for (const one of asked) {
    const loader = createCatalogLoader(one.name, (await accountOf(one)).account);
    try {
      found.push(...describable(createCatalog(await loader.load())));
    } finally {
      await loader.close();
    }
  }
  return found;
}
