import { IsString, Length } from 'class-validator';

export class CreateCommentDto {
  @IsString()
  @Length(1, 100)
  name!: string;

  @IsString()
  @Length(1, 2000)
  text!: string;
}
