// The script of the pages. It sends nothing before the user presses a button, so a client that only
// opens a link, such as the scanner of a mail server, does not use it up.

const mutations = {
  verifyEmail: 'mutation($token: String!, $password: String) { verifyEmail(token: $token, password: $password) }',
  disownEmail: 'mutation($token: String!) { disownEmail(token: $token) }',
  resetPassword: 'mutation($token: String!, $newPassword: String!) { resetPassword(input: {token: $token, newPassword: $newPassword}) }',
  requestPasswordReset: 'mutation($email: String!) { requestPasswordReset(email: $email) }',
}

const requestTimeout = 30_000 // milliseconds

const main = document.querySelector('main')
const given = new URLSearchParams(location.search).get('token')

// The token moves from the address bar, and so from the list of visited pages, to the history state of
// this tab. There it survives a reload, and a phone that drops the page while its user looks up a
// password elsewhere.
if (location.search) history.replaceState(given ? { token: given } : null, '', location.pathname)

const { token, view } = history.state ?? {}
show(view ?? (token ? 'ask' : has('forgot') ? 'forgot' : 'missing'))

for (const form of document.forms) {
  let busy = false
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (busy) return
    busy = true
    // Not disabled, which would remove the focus.
    const button = event.submitter ?? form.querySelector('button:not([type])')
    button.setAttribute('aria-disabled', 'true')
    await submit(form)
    button.removeAttribute('aria-disabled')
    busy = false
  })
}

for (const toggle of document.querySelectorAll('[data-shows]')) {
  toggle.addEventListener('click', () => reveal(toggle, toggle.getAttribute('aria-pressed') !== 'true'))
}

async function submit(form) {
  clear(form)
  const inputs = [...form.querySelectorAll('input')]
  for (const input of inputs) {
    const { valueMissing, patternMismatch } = input.validity
    if (valueMissing || patternMismatch) complain(input, input.dataset.missing)
  }
  if (focusOnError(form)) return
  for (const toggle of form.querySelectorAll('[data-shows]')) reveal(toggle, false) // password managers check the type
  const status = form.querySelector('[role=status]')
  status.textContent = 'One moment …'
  const typed = [...new FormData(form)].filter(([, value]) => value !== '')
  const error = await ask(form, { token, ...Object.fromEntries(typed) })
  status.textContent = ''
  if (!error) {
    for (const input of inputs) {
      for (const typed of document.querySelectorAll(`[data-typed=${input.name}]`)) typed.textContent = input.value
      input.value = ''
    }
    conclude(form.dataset.done ?? 'done')
  } else if (error.code === 'INVALID_TOKEN') {
    conclude('dead')
  } else if (error.code === 'PROOF_REQUIRED' && form.elements.password) {
    const password = form.elements.password
    complain(password, password.value ? ['This is not the password of the account.', form.dataset.wrong].filter(Boolean).join(' ') : 'Type the password of the account.')
    focusOnError(form)
  } else {
    explain(form, error)
  }
}

// ask returns the error of the mutation as { code, … }, or undefined.
async function ask({ dataset: { mutation, proof } }, variables) {
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ query: mutations[mutation], variables }),
      credentials: proof === undefined ? 'omit' : 'same-origin', // a session is a proof; the other mutations need only the token
      signal: AbortSignal.timeout(requestTimeout),
    })
    const { data, errors } = await response.json()
    if (errors?.length) return errors[0].extensions ?? {}
    return data[mutation] === true ? undefined : {}
  } catch (error) {
    return { code: error instanceof SyntaxError ? 'INTERNAL' : 'UNREACHABLE' } // a proxy answered in HTML, or no answer
  }
}

function explain(form, error) {
  const general = []
  for (const { name, message } of error.fields ?? []) {
    const input = form.querySelector(`input[name="${CSS.escape(name)}"]`)
    if (input) complain(input, `It ${message}.`) // the messages read "must …"
    else general.push(`${name} ${message}.`)
  }
  if (focusOnError(form) && !general.length) return
  const problem = form.querySelector('.problem')
  problem.querySelector('p').textContent = general.join(' ') || message(error)
  problem.hidden = false
  problem.focus()
}

function message({ code, retryAfter, requestId }) {
  switch (code) {
    case 'RATE_LIMITED':
      return `Too many attempts. Try again ${after(retryAfter)}.`
    case 'OVERLOADED':
    case 'UNAVAILABLE':
      return `The server is busy. Nothing was changed. Try again ${after(retryAfter)}.`
    case 'EMAIL_TAKEN':
    case 'CONFLICT':
      return 'Another account uses this address now. Nothing was changed.'
    case 'UNREACHABLE':
      return 'The server does not answer. Check your connection and try again.'
    default:
      return 'Something went wrong. Try again later.' + (requestId ? ` If you report it, include ${requestId}.` : '')
  }
}

function after(seconds) {
  if (!(seconds > 0)) return 'later'
  if (seconds === 1) return 'in 1 second'
  return seconds < 120 ? `in ${Math.ceil(seconds)} seconds` : `in ${Math.ceil(seconds / 60)} minutes`
}

function complain(input, text) {
  const error = document.getElementById(`${input.id}-error`)
  error.textContent = error.textContent ? `${error.textContent} ${text}` : text
  input.setAttribute('aria-invalid', 'true')
}

function clear(form) {
  form.querySelector('.problem').hidden = true
  for (const error of form.querySelectorAll('.error')) error.textContent = ''
  for (const input of form.querySelectorAll('input')) input.removeAttribute('aria-invalid')
}

function focusOnError(form) {
  const first = form.querySelector('[aria-invalid]')
  first?.focus()
  return first !== null
}

function reveal(toggle, shown) {
  toggle.setAttribute('aria-pressed', String(shown))
  document.getElementById(toggle.dataset.shows).type = shown ? 'text' : 'password'
}

// conclude shows the result view. It forgets the token; the result survives a reload.
function conclude(view) {
  history.replaceState(token ? { view } : null, '')
  show(view).focus()
}

function has(view) {
  return main.querySelector(`[data-view=${view}]`) !== null
}

function show(view) {
  for (const each of main.querySelectorAll('[data-view]')) each.hidden = each.dataset.view !== view
  const heading = main.querySelector(`[data-view=${view}] h1`)
  document.title = `${heading.textContent} · ${main.dataset.service}`
  return heading
}
