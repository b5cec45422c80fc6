import { useMutation } from '@apollo/client/react'
import { refusal } from './client'
import { Field, Form } from './form'
import { ChangePasswordDocument } from './operations'

export function Password() {
  const [change] = useMutation(ChangePasswordDocument)
  return (
    <>
      <h1>Change password</h1>
      <Form button="Change password" done="Your password is changed, and your other devices are signed out."
        submit={async ({ currentPassword = '', newPassword = '' }) => refusal((await change({ variables: { input: { currentPassword, newPassword } } })).error)}>
        {(errorOf) => (
          <>
            <Field label="Current password" name="currentPassword" type="password" autoComplete="current-password" error={errorOf('currentPassword')} />
            <Field label="New password" name="newPassword" type="password" autoComplete="new-password" error={errorOf('newPassword')} />
          </>
        )}
      </Form>
    </>
  )
}
