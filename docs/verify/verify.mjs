// Verifies an access token of Fieldgate without asking it about the token.
//
//   node verify.mjs JWKS_URL ISSUER AUDIENCE TOKEN
//
// prints the token's claims, or exits with status 1 and says why not.

import { realpathSync } from 'node:fs'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

/**
 * Returns a function that resolves to a token's claims, or rejects. Make one for the life of the program: it keeps
 * the keys that it has fetched, and fetches them again when they are old or a token names a key that is not there.
 */
export function verifier(jwksURL, issuer, audience) {
  const keys = createRemoteJWKSet(new URL(jwksURL), { cacheMaxAge: 300_000 })
  return async (token) => {
    const { payload } = await jwtVerify(token, keys, {
      // Never the token's own choice, and never HS256: anything that has a public key could sign with it.
      algorithms: ['EdDSA', 'ES256', 'RS256'],
      typ: 'at+jwt', // not an ID token, nor whatever else is signed with the same keys some day
      issuer,
      audience,
      requiredClaims: ['iss', 'aud', 'sub', 'sid', 'role', 'iat', 'nbf', 'exp', 'jti'],
      clockTolerance: 10, // seconds
    })
    return payload
  }
}

// jose's codes (ERR_JWT_EXPIRED …) say what is wrong; a fetch that failed has its reason in cause.
function reason(error) {
  if (error instanceof errors.JOSEError) return `${error.code}: ${error.message}`
  return error.cause?.message || error.message
}

async function main([jwksURL, issuer, audience, token]) {
  if (!token) throw new Error('usage: node verify.mjs JWKS_URL ISSUER AUDIENCE TOKEN')
  console.log(JSON.stringify(await verifier(jwksURL, issuer, audience)(token)))
}

if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(`verify: ${reason(error)}`)
    process.exitCode = 1
  })
}
