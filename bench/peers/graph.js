// PostGraphile over the same schema, as its own server would be started for production.
const http = require("node:http");
const { postgraphile } = require("postgraphile");

const [host, user, database, port] = process.argv.slice(2);
const graph = postgraphile({ host, user, database, max: 10 }, "peers", {
  graphiql: false, disableQueryLog: true, dynamicJson: true, setofFunctionsContainNulls: false, legacyRelations: "omit",
  ignoreRBAC: true, enableCors: false,
});

http.createServer((request, response) => {
  if (request.url === "/healthz") return response.end("ok");
  return graph(request, response);
}).listen(Number(port), "127.0.0.1");
