/** What `JSON.parse` does not tell of a text that it has parsed. */
export interface JsonText {
  /** A key that one object has twice, at any depth; undefined without one. */
  repeatedKey: string | undefined
  /** How many keys there are, at any depth. No more are read than may be, and then one. */
  keyCount: number
  /** How many objects and arrays are in one another. */
  depth: number
  /** The numbers of the outermost object as they are written, by their keys. */
  numbers: ReadonlyMap<string, string>
}

const NUMBER = /-?[0-9][-+.0-9eE]*/y

/**
 * Reads a text that is known to be JSON, up to its `keysMax`-th key and one more. `JSON.parse` keeps the last of two equal keys, and its
 * reviver never sees the others. Without recursion: a text may be as deep as it is long.
 */
export function readJsonText(text: string, keysMax = Infinity): JsonText {
  const numbers = new Map<string, string>()
  /** The keys so far of each object that is open; undefined for an array. */
  const open: (Set<string> | undefined)[] = []
  let keys: Set<string> | undefined
  let key = ""
  let isKeyNext = false
  let depth = 0
  let keyCount = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charAt(i)) {
      case "{":
        keys = new Set()
        depth = Math.max(depth, open.push(keys))
        isKeyNext = true
        break
      case "[":
        keys = undefined
        depth = Math.max(depth, open.push(keys))
        isKeyNext = false
        break
      case "}":
      case "]":
        open.pop()
        keys = open.at(-1)
        isKeyNext = false
        break
      case ",":
        isKeyNext = keys !== undefined
        break
      case '"': {
        const end = endOfString(text, i)
        if (isKeyNext) {
          key = decode(text.slice(i, end + 1))
          keyCount += 1
          const repeatedKey = keys?.has(key) === true ? key : undefined
          if (repeatedKey !== undefined || keyCount > keysMax) {
            return { repeatedKey, keyCount, depth, numbers }
          }
          keys?.add(key)
          isKeyNext = false
        }
        i = end
        break
      }
      default: {
        const number = numberAt(text, i)
        if (number === undefined) break
        if (open.length === 1 && keys !== undefined) numbers.set(key, number)
        i += number.length - 1
      }
    }
  }
  return { repeatedKey: undefined, keyCount, depth, numbers }
}

function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text[i] !== '"') i += text[i] === "\\" ? 2 : 1
  return i
}

function numberAt(text: string, start: number): string | undefined {
  NUMBER.lastIndex = start
  return NUMBER.exec(text)?.[0]
}

/** Two keys are the same when their characters are, however these are written. */
function decode(quoted: string): string {
  return quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1)
}
