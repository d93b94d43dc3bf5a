/** What a file's name tells about its content. */
import compressible from 'compressible';
import { lookup } from 'mime-types';

/** The MIME type by the name's extension; '' when unknown. */
export function contentTypeOf(name: string): string {
  return lookup(name) || '';
}

/** Whether content of this type may get smaller: false only for types known to be compressed already. */
export function mayCompress(contentType: string): boolean {
  return contentType === '' || compressible(contentType) !== false;
}
