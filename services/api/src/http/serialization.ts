import SerializerSelector from "@fastify/fast-json-stringify-compiler"
import { PROBLEM_TYPE } from "./problems.ts"

type Route = SerializerSelector.RouteDefinition & { contentType?: string }

/**
 * Fastify's own compiler, for everything but problems: they are described in the API's document, some
 * hundred times, and `sendProblem` brings their serializer. Compiling them took a quarter of a start.
 */
export function buildSerializer(
  ...given: Parameters<SerializerSelector.SerializerFactory>
): SerializerSelector.SerializerCompiler {
  const compile = SerializerSelector()(...given)
  return (route: Route) => (route.contentType === PROBLEM_TYPE ? JSON.stringify : compile(route))
}
