import { ArrayMaxSize, ArrayUnique, IsString, Length } from 'class-validator';

export class SetTagsDto {
  @ArrayUnique()
  @ArrayMaxSize(10)
  @IsString({ each: true })
  @Length(1, 30, { each: true })
  tags!: string[];
}
