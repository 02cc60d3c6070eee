import 'reflect-metadata';

/** Metadata on a controller: the classes whose events its microservice brings. */
const HEARD_METADATA = 'nestjs-restflow-cache:heard';

/** Marks a controller as the one that gets the events of these classes. */
export function declareHeard(controller: Function, classes: readonly Function[]): void {
  Reflect.defineMetadata(HEARD_METADATA, classes, controller);
}

/** The classes whose events a controller gets. */
export function heardBy(controller: Function): readonly Function[] {
  return (Reflect.getOwnMetadata(HEARD_METADATA, controller) ?? []) as readonly Function[];
}
