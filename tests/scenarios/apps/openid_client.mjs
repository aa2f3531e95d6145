// Signs in with openid-client, a relying party certified by the OpenID Foundation. Reads its task as JSON from the standard
// input (issuer, redirect addresses, clients, the cookie of a signed-in browser), and writes what happened as JSON lines.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const task = JSON.parse(readFileSync(0, 'utf8'))
const require = createRequire(task.modules + '/x.js')
const oc = await import(pathToFileURL(require.resolve('openid-client')).href)
const say = (name, what) => console.log(JSON.stringify([name, what]))
const insecure = { execute: [oc.allowInsecureRequests] }

const jar = new Map([task.cookie.split('=', 2)])
const cookies = () => [...jar].map((pair) => pair.join('=')).join('; ')

async function browse(address, form) {
  for (let hops = 0; hops < 8; hops++) {
    const options = { redirect: 'manual', headers: { cookie: cookies(), origin: new URL(address).origin } }
    if (form) {
      options.method = 'POST'
      options.body = form
      form = undefined
    }
    const answer = await fetch(address, options)
    for (const line of answer.headers.getSetCookie()) jar.set(...line.split(';')[0].split('=', 2))
    const location = answer.headers.get('location')
    if (!location) return { status: answer.status, text: await answer.text(), address }
    address = new URL(location, address)
    if (task.redirects.some((redirect) => address.href.startsWith(redirect))) return { address }
  }
  throw new Error('redirects without an end')
}

async function connect(client) {
  const proof = client.jwk
    ? oc.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', client.jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']), kid: client.jwk.kid })
    : client.method === 'post' ? oc.ClientSecretPost(client.secret) : client.secret ? oc.ClientSecretBasic(client.secret) : oc.None()
  const config = await oc.discovery(new URL(task.issuer), client.id, { id_token_signed_response_alg: client.algorithm }, proof, insecure)
  return config
}

async function signIn(config, { redirect = task.redirects[0], parameters = {}, dpop, pushed = false, checks = {} } = {}) {
  const verifier = oc.randomPKCECodeVerifier(), state = oc.randomState(), nonce = oc.randomNonce()
  const asked = {
    redirect_uri: redirect, scope: 'openid profile email offline_access', state, nonce,
    code_challenge: await oc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
  }
  const address = pushed
    ? await oc.buildAuthorizationUrlWithPAR(config, asked, { DPoP: dpop })
    : oc.buildAuthorizationUrl(config, asked)
  const back = await browse(address)
  if (!back.address?.href?.startsWith(redirect)) throw new Error(`no way back: ${back.status} ${back.text?.slice(0, 300)}`)
  return oc.authorizationCodeGrant(config, back.address, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...checks,
  }, undefined, { DPoP: dpop })
}

async function refusal(promise) {
  try {
    await promise
    return 'taken'
  } catch (error) {
    return error.error ?? error.cause?.error ?? error.cause?.message ?? error.message
  }
}

for (const client of [task.confidential, task.posted, task.public]) {
  const config = await connect(client)
  const { redirect } = client
  const tokens = await signIn(config, { redirect })
  say(`${client.name} claims`, tokens.claims())
  say(`${client.name} userinfo`, await oc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub))
  const silent = await signIn(config, { redirect, parameters: { prompt: 'none', max_age: '3600' }, checks: { maxAge: 3600 } })
  say(`${client.name} silent`, silent.claims().auth_time)
  const next = await oc.refreshTokenGrant(config, tokens.refresh_token)
  say(`${client.name} rotated`, next.refresh_token !== tokens.refresh_token)
  say(`${client.name} used refresh token`, await refusal(oc.refreshTokenGrant(config, tokens.refresh_token)))
  say(`${client.name} wrong redirect`, (await browse(oc.buildAuthorizationUrl(config, { redirect_uri: 'https://evil.example/', scope: 'openid' }))).status)
  say(`${client.name} denied`, await refusal(signIn(config, { redirect, parameters: { prompt: 'none', id_token_hint: 'x.y.z' } })))
  if (client.secret) {
    say(`${client.name} introspection`, await oc.tokenIntrospection(config, next.access_token))
    await oc.tokenRevocation(config, next.refresh_token)
    say(`${client.name} revoked`, await oc.tokenIntrospection(config, next.access_token))
    say(`${client.name} pushed`, (await signIn(config, { pushed: true })).claims().sub)
  }
}

const strict = await connect(task.strict)
const dpop = oc.getDPoPHandle(strict, await oc.randomDPoPKeyPair('ES256'))
const bound = await signIn(strict, { pushed: true, dpop })
say('strict type', bound.token_type)
say('strict userinfo', await oc.fetchUserInfo(strict, bound.access_token, bound.claims().sub, { DPoP: dpop }))
say('strict without proof', await refusal(oc.fetchUserInfo(strict, bound.access_token, bound.claims().sub)))
const other = oc.getDPoPHandle(strict, await oc.randomDPoPKeyPair('ES256'))
say('strict other key', await refusal(oc.refreshTokenGrant(strict, bound.refresh_token, undefined, { DPoP: other })))
say('strict refreshed', (await oc.refreshTokenGrant(strict, bound.refresh_token, undefined, { DPoP: dpop })).token_type)
say('strict not pushed', await refusal(signIn(strict, { dpop })))

const device = await connect(task.device)
const begun = await oc.initiateDeviceAuthorization(device, { scope: 'openid profile' })
const page = await browse(new URL(begun.verification_uri))
const token = page.text.match(/name="csrfmiddlewaretoken" value="([^"]+)"/)[1]
const form = new URLSearchParams({ csrfmiddlewaretoken: token, user_code: begun.user_code, allow: '1' })
say('device allowed', (await browse(page.address, form)).status)
say('device claims', (await oc.pollDeviceAuthorizationGrant(device, { ...begun, interval: 0.1 })).claims().sub)

const ending = await connect(task.confidential)
const last = await signIn(ending)
const gone = await fetch(oc.buildEndSessionUrl(ending, { id_token_hint: last.id_token, post_logout_redirect_uri: task.redirects[0], state: 'bye' }), { redirect: 'manual', headers: { cookie: cookies() } })
say('signed out', gone.headers.get('location'))
say('afterwards', await refusal(signIn(ending, { parameters: { prompt: 'none' } })))
