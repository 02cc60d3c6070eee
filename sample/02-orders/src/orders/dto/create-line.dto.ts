import { IsInt, IsString, Length, Min } from 'class-validator';

export class CreateLineDto {
  @IsString()
  @Length(1, 100)
  product!: string;

  @IsInt()
  @Min(1)
  quantity!: number;

  /** In cents, for one. */
  @IsInt()
  @Min(0)
  price!: number;
}
