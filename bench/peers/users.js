// The viewer of a request, and sign-in, on the tables of Fieldgate.
import { createHash, createSecretKey, randomBytes, randomUUID } from 'node:crypto';
import bcrypt from 'bcrypt';
import jwt from 'jsonwebtoken';
import mysql from 'mysql2/promise';

const bySession = `SELECT u.id, u.name, u.email, u.role FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = ? AND s.epoch = u.session_epoch AND s.expires_at > UTC_TIMESTAMP(3) AND u.disabled_at IS NULL`;
const byID = 'SELECT id, name, email, role FROM users WHERE id = ?';
const byEmail = 'SELECT id, role, password_hash, session_epoch FROM users WHERE email_key = ? AND disabled_at IS NULL';
const newSession = `INSERT INTO sessions (id, user_id, epoch, refresh_hash, remember_me, created_at, last_used_at, expires_at)
  VALUES (?, ?, ?, ?, FALSE, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL 7 DAY)`;

// In the tuned form, statements are prepared once, and so is the key.
export function openUsers({ tuned }) {
  const { DATABASE_URL, JWT_SECRET, JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = process.env;
  const pool = mysql.createPool(tuned ? { uri: DATABASE_URL, connectionLimit: 16 } : DATABASE_URL); // the default is 10
  const query = async (sql, ...values) => (tuned ? await pool.execute(sql, values) : await pool.query(sql, values))[0];
  const key = tuned ? createSecretKey(Buffer.from(JWT_SECRET)) : JWT_SECRET;

  return {
    // Resolves to undefined if the token is missing, invalid or expired, or the session has ended.
    async fromHeader(authorization = '') {
      const token = authorization.startsWith('Bearer ') && authorization.slice('Bearer '.length);
      if (!token) return undefined;
      let claims;
      try {
        claims = jwt.verify(token, key, { algorithms: ['HS256'], issuer, audience });
      } catch {
        return undefined;
      }
      return (await query(bySession, claims.sid))[0];
    },

    find: async (id) => (await query(byID, id))[0],

    // Resolves to undefined if the address or the password is wrong.
    async login(email, password) {
      const user = (await query(byEmail, email))[0];
      if (!user || !(await bcrypt.compare(password, user.password_hash))) return undefined;
      const sid = randomUUID();
      const refreshHash = createHash('sha256').update(randomBytes(32)).digest();
      await query(newSession, sid, user.id, user.session_epoch, refreshHash);
      return jwt.sign({ sid, role: user.role }, key, { subject: user.id, issuer, audience, expiresIn: '15m' });
    },
  };
}
