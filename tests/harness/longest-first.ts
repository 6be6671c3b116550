import { BaseSequencer, type TestSequencerConstructor, type TestSpecification } from "vitest/node"

/**
 * Begins these files before all others, so that none of them is left over when those are done. vitest
 * knows how long a file takes where it has run before; in a fresh clone it has not.
 */
export function longestFirst(names: string[]): TestSequencerConstructor {
  return class extends BaseSequencer {
    override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
      const rank = ({ moduleId }: TestSpecification) => {
        const place = names.findIndex((name) => moduleId.endsWith(name))
        return place < 0 ? names.length : place
      }
      // oxlint-disable-next-line unicorn/no-array-sort -- it is no array's
      const sorted = await super.sort(files)
      return sorted.toSorted((a, b) => rank(a) - rank(b))
    }
  }
}
