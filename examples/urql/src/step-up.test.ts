import { expect, test } from 'vitest'

import { askUser, getQuestion } from './step-up'

test('a late answer to a cancelled question leaves the next question open', async () => {
  const first = askUser({ methods: ['PASSWORD'] })
  const late = getQuestion()!
  late.answer(false)
  await expect(first).resolves.toBe(false)
  const second = askUser({ methods: ['PASSWORD'] })
  late.answer(true)
  expect(getQuestion()).toBeDefined()
  getQuestion()!.answer(true)
  await expect(second).resolves.toBe(true)
  expect(getQuestion()).toBeUndefined()
})
