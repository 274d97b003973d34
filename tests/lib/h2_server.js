// HTTP/2 for tests: h2_server.js h2c | h2 CERT KEY [CA] | https CERT KEY. With CA a client's certificate is demanded.
// Prints its port. Replies with what it saw: {"version", "sessions" so far, "most" streams at once in one session,
// "client": the name in the client's certificate}; /count says the same without counting itself.
const http2 = require('http2'), https = require('https'), fs = require('fs');
const [kind, cert, key, ca] = process.argv.slice(2);
let sessions = 0, most = 0, requests = 0;
const tls = kind === 'h2c' ? {} : {
  cert: fs.readFileSync(cert), key: fs.readFileSync(key),
  ...(ca ? { ca: fs.readFileSync(ca), requestCert: true, rejectUnauthorized: true } : {}),
};
function answer(req, res) {
  requests++;
  const peer = req.socket.getPeerCertificate ? req.socket.getPeerCertificate() : null;
  const said = () => JSON.stringify({ version: req.httpVersion, sessions, most, requests,
    client: peer && peer.subject ? peer.subject.CN : null });
  res.setHeader('content-type', 'application/json');
  if (req.url === '/goaway') req.stream.session.close();
  if (req.url === '/reset') return req.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  setTimeout(() => res.end(said()), 2); // so that several are under way
}
const server = kind === 'https' ? https.createServer(tls, answer)
  : kind === 'h2' ? http2.createSecureServer(tls, answer) : http2.createServer(tls, answer);
server.on('session', (s) => {
  let now = 0;
  sessions++;
  s.on('error', () => {});
  s.on('stream', (stream) => {
    most = Math.max(most, ++now);
    stream.on('error', () => {});
    stream.on('close', () => now--);
  });
});
server.on('error', (e) => { console.error(e); process.exit(1); });
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
