import { useMutation } from 'urql'
import { toFailure } from './client'
import { Field, Form } from './form'
import { UpdateProfileDocument, type ViewerQuery } from './operations'

export function Profile({ me }: { me: NonNullable<ViewerQuery['me']> }) {
  const [, update] = useMutation(UpdateProfileDocument) // the result is a User, so the cache refetches queries with one
  return (
    <>
      <h1>Profile</h1>
      <dl>
        <dt>Name</dt><dd>{me.name}</dd>
        <dt>E-mail address</dt><dd>{me.email}{me.emailVerified ? '' : ' (not verified)'}</dd>
        <dt>Role</dt><dd>{me.role}</dd>
        <dt>Registered</dt><dd>{new Date(me.createdAt).toLocaleDateString()}</dd>
      </dl>
      <Form button="Save" done="Saved." submit={async ({ name = '' }) => toFailure((await update({ input: { name } })).error)}>
        {(errorOf) => <Field label="New name" name="name" autoComplete="name" error={errorOf('name')} />}
      </Form>
    </>
  )
}
