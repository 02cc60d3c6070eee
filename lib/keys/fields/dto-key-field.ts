import { createHash } from 'node:crypto';
import { encodeValue } from '../canonical.js';
import { type DtoClass, dtoShape } from './dto-shape.js';
import { type FieldContext, type FieldPart, KeyField, type KeyFieldOptions } from './key-field.js';

/**
 * The shape of a DTO: names, types and validators of its properties, those of nested DTOs included. A build that changes
 * the DTO makes new keys, so payloads of the old shape are never read again.
 *
 * Known are properties that class-validator or @nestjs/swagger decorate, and fields that `new Dto()` has.
 *
 * @example
 * ```ts
 * shape = new DtoKeyField(UserDto);
 * ```
 * @publicApi
 */
export class DtoKeyField extends KeyField {
  /**
   * @param dto the class
   * @param options see {@link KeyFieldOptions}
   * @throws {KeyDefinitionError} when the application starts, if nothing is known of the class at run time
   */
  constructor(
    readonly dto: DtoClass,
    options?: KeyFieldOptions,
  ) {
    super(options);
  }

  override bind(context: FieldContext): readonly FieldPart[] {
    if (typeof this.dto !== 'function') {
      context.fail(
        `needs a class, but got ${String(this.dto)}. Write new DtoKeyField(UserDto); if the classes import each other, move one.`,
      );
    }
    return [{ name: context.field, constant: () => this.shape(context) }];
  }

  private shape(context: FieldContext): string {
    const shape = dtoShape(this.dto);
    if (Object.keys(shape).length === 0) {
      context.fail(
        `needs the properties of ${this.dto.name}, of which none is known at run time. Decorate them (class-validator, ` +
          `@ApiProperty) or give them initial values, or write a ConstantKeyField whose value you change with the DTO.`,
      );
    }
    return createHash('sha256').update(encodeValue(shape)).digest('base64url').slice(0, 22);
  }
}
