import { checkEveryAnswer } from "./described.ts"

checkEveryAnswer()
