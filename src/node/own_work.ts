/**
 * The owner's own requests in the books: blocks of this node that are asked without the network.
 *
 * @module
 */
import { codeOf } from "../base/errors.ts";
import type { PeerId } from "../base/tensor.ts";
import type { World } from "../base/world.ts";
import type { CacheStep, KvCache, LoadedBlocks, NextStep, TextStep } from "../compute/backend.ts";
import { uuid } from "../petals/client/uuid.ts";
import { addCpu, noWork, type SessionEnergy, type StepObserver } from "../petals/report.ts";

/** Blocks whose steps are reported, each cache as a session of this node's own. */
export interface OwnBlocks {
  readonly blocks: LoadedBlocks;
  /** What the steps over a cache cost so far; `undefined` where nothing is known. */
  energyOf(cache: KvCache): SessionEnergy | undefined;
}

/**
 * `blocks`, whose steps `observer` hears of, where there is one, as work for `self`. What it throws is logged, as for served
 * steps.
 */
export function ownBlocks(
  world: World,
  blocks: LoadedBlocks,
  { self, observer }: { readonly self: PeerId; readonly observer: StepObserver | undefined },
): OwnBlocks {
  if (observer === undefined) return { blocks, energyOf: () => undefined };
  const sessions = new WeakMap<KvCache, string>();
  const quietly = <T>(tell: () => T): T | undefined => {
    try {
      return tell();
    } catch (error) {
      world.log.warn("Own step not entered", { error });
      return undefined;
    }
  };
  const observed = async <S extends CacheStep | TextStep | NextStep, T>(
    cache: KvCache,
    step: S,
    tokens: number,
    compute: (step: S) => Promise<T>,
  ): Promise<T> => {
    const done = noWork();
    const startedAtMs = world.clock.now();
    const began = world.clock.monotonic();
    let outcome: "ok" | ReturnType<typeof codeOf> = "ok";
    done.mark = quietly(() => observer.begin());
    try {
      return await compute({
        ...step,
        spent: (cpuMs: number) => {
          addCpu(done, cpuMs);
          step.spent?.(cpuMs);
        },
      });
    } catch (error) {
      outcome = codeOf(error, "corrupt");
      throw error;
    } finally {
      done.computeMs = world.clock.monotonic() - began;
      done.tokens = tokens;
      done.phase = tokens > cache.batch ? "prefill" : "decode";
      quietly(() =>
        observer.report({
          method: "inference",
          session: sessions.get(cache),
          peer: self,
          blocks: cache.range,
          bytesIn: 0,
          startedAtMs,
          outcome,
          ...done,
        })
      );
    }
  };
  const { scores, next } = blocks;
  const watched: LoadedBlocks = {
    engine: blocks.engine,
    device: blocks.device,
    ...(blocks.deviceKind === undefined ? {} : { deviceKind: blocks.deviceKind }),
    range: blocks.range,
    hiddenSize: blocks.hiddenSize,
    dtype: blocks.dtype,
    weightBytes: blocks.weightBytes,
    cacheBytesPerToken: blocks.cacheBytesPerToken,
    async openCache(size, signal) {
      const cache = await blocks.openCache(size, signal);
      sessions.set(cache, uuid(world));
      return cache;
    },
    forward: (step, range, signal) => blocks.forward(step, range, signal),
    step: (step, cache, signal) =>
      observed(cache, step, step.input.batch * step.input.tokens, (step) => blocks.step(step, cache, signal)),
    ...(scores === undefined ? {} : {
      scores: (step: TextStep, cache, head, signal) =>
        observed(cache, step, step.ids.length, (step) => scores.call(blocks, step, cache, head, signal)),
    }),
    ...(next === undefined ? {} : {
      next: (step: NextStep, cache, head, signal) =>
        observed(cache, step, step.ids.length, (step) => next.call(blocks, step, cache, head, signal)),
    }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return {
    blocks: watched,
    energyOf(cache) {
      const session = sessions.get(cache);
      return session === undefined ? undefined : quietly(() => observer.energyOf?.(session));
    },
  };
}
