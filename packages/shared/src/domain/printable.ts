/**
 * Characters that nobody sees, or sees as a space, or that move those around them: they make two texts look
 * alike, and a terminal obey (Unicode Technical Standard 39, section 3.1; Technical Report 36, section 2).
 * The Braille pattern without dots, U+2800, is none by its category.
 */
const UNSEEN =
  /[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Noncharacter_Code_Point}\p{Cf}\p{Zl}\p{Zp}\p{Cc}\p{Cs}[\p{Zs}--\x20]\u2800]/v
const EVERY_UNSEEN = new RegExp(UNSEEN, "gv")

export function hasUnseen(text: string): boolean {
  return UNSEEN.test(text)
}

export function withoutUnseen(text: string): string {
  return text.replaceAll(EVERY_UNSEEN, "")
}

/** A text for a terminal or a page, with its unseen characters as JSON writes them: `\u202e`. */
export function printable(text: string): string {
  return text.replaceAll(EVERY_UNSEEN, (character) =>
    character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  )
}
