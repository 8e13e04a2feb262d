// What operations/delivery/load.py has k6 do: visitors who come at their own pace, however long the answers take.
import http from "k6/http";
import { check } from "k6";

const { ADDRESS, SECONDS, PAGES, READS, HOSTS } = __ENV;

const scenario = (exec, rate) => ({
  executor: "constant-arrival-rate",
  exec,
  rate: Number(rate),
  duration: `${SECONDS}s`,
  // One for each request that comes within two seconds: slower answers are told as requests that were never made.
  preAllocatedVUs: 2 * Number(rate),
});

export const options = {
  scenarios: { pages: scenario("pages", PAGES), reads: scenario("reads", READS) },
  hosts: JSON.parse(HOSTS),
  // The service levels: docs/specification.md.
  thresholds: {
    "http_req_duration{scenario:reads}": ["p(95)<500"],
    "http_req_duration{scenario:pages}": ["p(95)<500"],
    "http_req_failed{scenario:reads}": ["rate<0.001"],
    "http_req_failed{scenario:pages}": ["rate<0.001"],
    dropped_iterations: ["count<1"],
  },
};

const got = (path) => check(http.get(`${ADDRESS}${path}`), { "is answered by 200": (answer) => answer.status === 200 });

export const pages = () => got("/");
export const reads = () => got("/api/exhibits");
