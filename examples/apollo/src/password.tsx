import { useMutation } from '@apollo/client/react'
import { toFailure } from './client'
import { Field, Form } from './form'
import { ChangePasswordDocument } from './operations'

export function Password() {
  const [change] = useMutation(ChangePasswordDocument)
  return (
    <>
      <h1>Change password</h1>
      <Form button="Change password" done="Your password was changed, and your other devices were signed out."
        submit={async ({ currentPassword = '', newPassword = '' }) => toFailure((await change({ variables: { input: { currentPassword, newPassword } } })).error)}>
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
