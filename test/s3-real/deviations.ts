/**
 * Where a real radosgw (Debian's 16.2) is not S3 as the suite has it, each with its reason and with what it means for the product. This is
 * the one list: a finding that is not in it fails `npm run test:s3-real`, and so does a line of it that is no longer found.
 */
import type { Deviation } from "../s3/judge.ts";

export const DEVIATIONS: readonly Deviation[] = [
  {
    why: "radosgw looks at the region of a signature only to compute it: any region opens any bucket. Nothing rests on it; the product signs for the region it recorded.",
    found: {
      "signatures > a signature for another region names the right one": [
        "expected '200' to be '400 AuthorizationHeaderMalformed'",
        "expected 'kept' to contain '<Region>us-east-1</Region>'",
      ],
    },
  },
  {
    why: "x-amz-* headers that were not signed are taken, also beside a presigned URL. A client could add metadata or an ACL header of its own to its own object; length, hash and write-once stay bound, and buckets stay closed because nobody outside the account is granted anything.",
    found: {
      "signatures > an x-amz header that was not signed is refused": [
        "expected '200' to be '403 AccessDenied'",
        "expected 'kept' to contain 'There were headers present in the req…'",
      ],
      "signatures > an x-amz header added to a presigned PUT is refused": ["expected '200' to be '403 AccessDenied'"],
    },
  },
  {
    why: "Two mechanisms at once, signature version 2 and a missing parameter are refused under other names, and a session token nobody issued is ignored. Refused is refused; the product sends none of these.",
    found: {
      "signatures > two mechanisms at once are refused": [
        "expected '403 SignatureDoesNotMatch' to be '400 InvalidArgument'",
      ],
      "signatures > signature version 2 is refused by name": ["expected '403 AccessDenied' to be '400 InvalidRequest'"],
      "signatures > a session token is refused: there are no sessions": ["expected '200' to be '400 InvalidToken'"],
      "presigned URLs > a week is the longest life": [
        "expected '403 AccessDenied' to be '400 AuthorizationQueryParametersError'",
      ],
      "presigned URLs > a missing parameter is refused": [
        "expected '403 AccessDenied' to be '400 AuthorizationQueryParametersError'",
        "expected '403 AccessDenied' to be '400 AuthorizationQueryParametersError'",
        "expected '403 AccessDenied' to be '400 AuthorizationQueryParametersError'",
        "expected '403 AccessDenied' to be '400 AuthorizationQueryParametersError'",
      ],
    },
  },
  {
    why: "x-amz-expected-bucket-owner is not known and so not checked. That a bucket is ours rests on its tag there, as everywhere: it is read before a bucket is used for the first time, and the lease records the name.",
    found: {
      "signatures > x-amz-expected-bucket-owner must be the owner, on every operation": [
        "expected '200' to be '403 AccessDenied'",
        "expected '200' to be '403 AccessDenied'",
        "expected '204' to be '403 AccessDenied'",
        "expected '200' to be '403 AccessDenied'",
        "expected '200' to be '403 AccessDenied'",
        "expected '404 NoSuchTagSet' to be '403 AccessDenied'",
        "expected '409 BucketNotEmpty' to be '403 AccessDenied'",
        "expected '200' to be '403 AccessDenied'",
        "expected '404 NoSuchKey' to be '200'",
      ],
    },
  },
  {
    why: "An expired URL is refused, without the sentence about it.",
    found: {
      "presigned URLs > it expires": [
        "expected '<?xml version=\"1.0\" encoding=\"UTF-8\"?…' to contain 'Request has expired'",
      ],
    },
  },
  {
    why: "A URL dated in the future is taken. The product dates URLs by its own clock and never ahead.",
    found: {
      "presigned URLs > a URL from the future is not yet valid": [
        "expected '200' to be '403 AccessDenied'",
        "expected 'kept' to contain 'Request is not yet valid'",
      ],
    },
  },
  {
    why: 'x-amz-checksum-* is kept as a header and never compared with the body, nor returned as the dialect has it, nor looked at in parts. So on such a store `sign_content_sha256` is to be set: the SHA-256 is then signed as x-amz-content-sha256 too, which radosgw does verify ("a signed x-amz-content-sha256 is verified against the body" passes), and confirm still compares length and hash.',
    found: {
      "presigned URLs > a signed checksum binds the content": [
        "expected '200' to be '400 BadDigest'",
        "expected 200 to be 404",
      ],
      "content > x-amz-checksum-crc32 is verified, stored and returned": [
        "expected '200' to be '400 BadDigest'",
        "expected 200 to be 404",
      ],
      "content > x-amz-checksum-crc32c is verified, stored and returned": [
        "expected '200' to be '400 BadDigest'",
        "expected 200 to be 404",
      ],
      "content > x-amz-checksum-crc64nvme is verified, stored and returned": [
        "expected '200' to be '400 BadDigest'",
        "expected 200 to be 404",
      ],
      "content > x-amz-checksum-sha1 is verified, stored and returned": [
        "expected '200' to be '400 BadDigest'",
        "expected 200 to be 404",
      ],
      "content > x-amz-checksum-sha256 is verified, stored and returned": [
        "expected '200' to be '400 BadDigest'",
        "expected 200 to be 404",
      ],
      "content > two checksums at once are refused": ["expected '200' to be '400 InvalidRequest'"],
      "content > an announced algorithm without its checksum is refused": ["expected '200' to be '400 InvalidRequest'"],
      "content > an empty object is an object": ["expected '200' to be '400 BadDigest'"],
      "multipart uploads > a presigned part is bound by length and checksum": [
        "expected '200' to be '400 BadDigest'",
        "expected '<?xml version=\"1.0\" encoding=\"UTF-8\"?…' to contain '<ChecksumSHA256>kuuc0IHw7BcII2krmvBVZ…'",
      ],
      "multipart uploads > a part must carry the upload's checksum": ["expected '200' to be '400 InvalidRequest'"],
      "multipart uploads > a full-object checksum is of all the bytes": [
        "expected '200' to be '400 BadDigest'",
        "expected '<?xml version=\"1.0\" encoding=\"UTF-8\"?…' to contain '<ChecksumCRC64NVME>rosUhgp5mIg=</Chec…'",
      ],
      "AWS SDK v3 > puts and gets with its default checksum": ["expected undefined to be 'NhCmhg=='"],
    },
  },
  {
    why: "A nonsensical x-amz-content-sha256 is refused as a mismatch instead of as an argument.",
    found: {
      "content > x-amz-content-sha256 must be there and make sense": [
        "expected '400 XAmzContentSHA256Mismatch' to be '400 InvalidArgument'",
      ],
    },
  },
  {
    why: "aws-chunked bodies with a checksum in the trailer are newer than radosgw 16: it takes the mode's name for a hash and refuses. The product sends plain bodies; clients of their own set requestChecksumCalculation to WHEN_REQUIRED.",
    found: {
      "aws-chunked bodies > the framing is taken off, the trailing checksum verified and stored": [
        "expected '400 XAmzContentSHA256Mismatch' to be '200'",
        "expected null to be 'DUoRhQ=='",
      ],
      "aws-chunked bodies > a wrong trailing checksum stores nothing": [
        "expected '400 XAmzContentSHA256Mismatch' to be '400 BadDigest'",
      ],
      "aws-chunked bodies > a missing or surprising trailer is refused": [
        "expected '400 XAmzContentSHA256Mismatch' to be '400 MalformedTrailerError'",
        "expected '400 XAmzContentSHA256Mismatch' to be '400 MalformedTrailerError'",
      ],
      "aws-chunked bodies > content shorter or longer than announced is refused": [
        "expected '400 XAmzContentSHA256Mismatch' to be '400 IncompleteBody'",
        "expected '400 XAmzContentSHA256Mismatch' to be '400 IncompleteBody'",
      ],
      "aws-chunked bodies > the decoded length must be announced": [
        "expected '400 XAmzContentSHA256Mismatch' to be '411 MissingContentLength'",
      ],
      "aws-chunked bodies > broken framing and a missing last chunk are refused": [
        "expected '400 XAmzContentSHA256Mismatch' to be '400 IncompleteBody'",
        "expected '400 XAmzContentSHA256Mismatch' to be '400 IncompleteBody'",
      ],
      "aws-chunked bodies > a signed chunk mode with a wrong chunk signature is refused": [
        "expected '400 XAmzContentSHA256Mismatch' to be '403 SignatureDoesNotMatch'",
      ],
      "AWS SDK v3 > streams a body of known length (aws-chunked, checksum in the trailer)": ["UnknownError"],
      "AWS SDK v3 > lists, deletes in bulk, and reads refusals by name": [
        "expected 2 to be greater than or equal to 3",
      ],
      "AWS SDK v3 > uploads in parts": ["UnknownError"],
    },
  },
  {
    why: "Regions are zonegroups there; a one-node store has one, and relaxed enforcement takes every name for it. The product sends the region it sells, and gets the only place there is.",
    found: {
      "buckets > us-east-1 is created by saying nothing, another region by naming it": [
        'expected \'<?xml version="1.0" encoding="UTF-8"?…\' to match /<LocationConstrain…/LocationConstraint>',
      ],
      "buckets > a location constraint must name the endpoint's region": [
        "expected '200' to be '400 IllegalLocationConstraintException'",
        "expected '200' to be '400 IllegalLocationConstraintException'",
        "expected '200' to be '400 InvalidLocationConstraint'",
        "expected '200' to be '400 InvalidLocationConstraint'",
      ],
      "buckets > HeadBucket tells present, foreign and absent apart": [
        "expected [ 200, null ] to deeply equal [ 200, 'us-east-1' ]",
      ],
    },
  },
  {
    why: "Documents that are not what they should be are refused under other names, or, where one is empty or carries a DOCTYPE, taken. The product sends five documents, all written out in the code.",
    found: {
      "buckets > a malformed document is refused": ["expected '400 InvalidArgument' to be '400 MalformedXML'"],
      "bucket configuration > publicAccessBlock refuses another document and no document": [
        "expected '200' to be '400 MalformedXML'",
      ],
      "bucket configuration > ownershipControls refuses another document and no document": [
        "expected '400 InvalidArgument' to be '400 MalformedXML'",
        "expected '400 InvalidArgument' to be '400 MalformedXML'",
        "expected '200' to be '400 MalformedXML'",
        "expected '400 InvalidArgument' to be '400 MalformedXML'",
      ],
      "bucket configuration > lifecycle refuses another document and no document": [
        "expected '200' to be '400 MalformedXML'",
        "expected '200' to be '400 MalformedXML'",
      ],
      "bucket configuration > tagging refuses another document and no document": [
        "expected '200' to be '400 MalformedXML'",
        "expected '200' to be '400 MalformedXML'",
      ],
      "bucket configuration > cors refuses another document and no document": [
        "expected '200' to be '400 MalformedXML'",
      ],
      "bucket configuration > encryption refuses another document and no document": [
        "expected '400 InvalidArgument' to be '400 MalformedXML'",
        "expected '400 InvalidArgument' to be '400 MalformedXML'",
        "expected '200' to be '400 MalformedXML'",
        "expected '400 InvalidArgument' to be '400 MalformedXML'",
      ],
      "bucket configuration > tags are checked": [
        "expected '200' to be '400 InvalidTag'",
        "expected '200' to be '400 InvalidTag'",
        "expected '200' to be '400 InvalidTag'",
      ],
      "bucket configuration > an unknown CORS method and a lifecycle rule without an action are refused": [
        "expected '400 MalformedXML' to be '400 InvalidRequest'",
        "expected '400 MalformedXML' to be '400 InvalidRequest'",
      ],
      "bucket configuration > a malformed policy and one for another bucket are refused": [
        "expected '400 InvalidArgument' to be '400 MalformedPolicy'",
        "expected '204' to be '400 MalformedPolicy'",
        "expected '204' to be '400 MalformedPolicy'",
        "expected '400 InvalidArgument' to be '400 MalformedPolicy'",
      ],
    },
  },
  {
    why: "Two reserved forms of bucket names are newer than radosgw 16. The product's names have neither.",
    found: {
      "buckets > xn--x is no bucket name": ["expected '200' to be '400 InvalidBucketName'"],
      "buckets > a-s3alias is no bucket name": ["expected '200' to be '400 InvalidBucketName'"],
    },
  },
  {
    why: "Creating one's own bucket again answers 200 everywhere, as AWS does in us-east-1 only. The product looks at the tag after every creation, whatever it answered.",
    found: {
      "buckets > a name that is taken says by whom": ["expected '200' to be '409 BucketAlreadyOwnedByYou'"],
      "buckets > two creations at once make one bucket": [
        "expected [ 200, 200, 200, 200 ] to deeply equal [ 200, 409, 409, 409 ]",
      ],
    },
  },
  {
    why: "Public access block: returned under a misspelt root, never absent, and once BlockPublicAcls is true every PUT is refused with 403 (a reversed comparison in 16.2). The product tries a write after its first settings on a store, finds this out and does without the block there (test/s3-real/store.real.test.ts); BlockPublicPolicy is not enforced either.",
    found: {
      "bucket configuration > publicAccessBlock is returned as it was stored": [
        "expected '<BlockPublicAccessBlockConfiguration>…' to be '<PublicAccessBlockConfiguration><Bloc…'",
      ],
      "bucket configuration > publicAccessBlock says NoSuchPublicAccessBlockConfiguration once deleted": [
        "expected '200' to be '204'",
        "expected '200' to be '404 NoSuchPublicAccessBlockConfigurat…'",
      ],
      "bucket configuration > a new bucket blocks public access, has ACLs off and is encrypted": [
        "Target cannot be null or undefined.",
      ],
      "bucket configuration > a public policy is refused while BlockPublicPolicy holds": [
        "expected '204' to be '403 AccessDenied'",
      ],
    },
  },
  {
    why: "Ownership controls and encryption are not known: PUT is read as CreateBucket, GET as ListObjects, and DELETE of ownership controls removes the bucket. The product therefore asks before it sets, and never deletes a setting it has not seen. ACLs stay on there; nobody is granted anything by them.",
    found: {
      "bucket configuration > ownershipControls is returned as it was stored": [
        "expected '400 InvalidArgument' to be '200'",
        "expected '<ListBucketResult><Name>bucket…' to be '<OwnershipControls><Rule><ObjectOwner…'",
      ],
      "bucket configuration > encryption is returned as it was stored": [
        "expected '400 InvalidArgument' to be '200'",
        "expected '<ListBucketResult><Name>bucket…' to be '<ServerSideEncryptionConfiguration><R…'",
      ],
      "bucket configuration > ownershipControls says OwnershipControlsNotFoundError once deleted": [
        "expected '404 NoSuchBucket' to be '404 OwnershipControlsNotFoundError'",
      ],
    },
  },
  {
    why: "Settings come back with their elements in another order, and deleting or tagging answers 200 instead of 204. Meaning the same.",
    found: {
      "bucket configuration > lifecycle is returned as it was stored": [
        "expected '<LifecycleConfiguration><Rule><ID>swe…' to be '<LifecycleConfiguration><Rule><ID>swe…'",
      ],
      "bucket configuration > tagging is returned as it was stored": [
        "expected '200' to be '204'",
        "expected '<Tagging><TagSet><Tag><Key>n</Key><Va…' to be '<Tagging><TagSet><Tag><Key>wallet</Ke…'",
      ],
      "bucket configuration > cors is returned as it was stored": [
        "expected '<CORSConfiguration><CORSRule><Allowed…' to be '<CORSConfiguration><CORSRule><Allowed…'",
      ],
      "bucket configuration > tagging says NoSuchTagSet once deleted": ["expected '200' to be '204'"],
      "bucket configuration > a policy is kept byte for byte": ["expected '200' to be '204'"],
    },
  },
  {
    why: "A bucket setting need not prove its body. The product sends Content-MD5 all the same.",
    found: {
      "bucket configuration > a write must prove its body": [
        "expected '200' to be '400 InvalidRequest'",
        "expected '200' to be '400 BadDigest'",
      ],
    },
  },
  {
    why: "Two settings written at the same moment: one may be lost. The product writes a bucket's settings one after the other, tag first, and every writer writes all of them in the same order.",
    sometimes: true,
    found: {
      "bucket configuration > configuration writes at the same time are all kept": ["expected 404 to be 200"],
    },
  },
  {
    why: "CORS: no rule is 403 under another name, and the answer names the asked method and joins headers without a blank. Browsers read both.",
    found: {
      "CORS > a preflight and the request after it follow the bucket's rules": [
        "expected '403 AccessDenied' to be '403 AccessForbidden'",
        "expected 'PUT' to be 'PUT, GET'",
        "expected 'content-type,x-amz-meta-a' to be 'content-type, x-amz-meta-a'",
      ],
    },
  },
  {
    why: "No STANDARD_IA storage class in a one-pool store, and aws-chunked is left in Content-Encoding. The product uses neither.",
    found: {
      "objects > a storage class is kept": [
        "expected '400 InvalidArgument' to be '200'",
        "expected null to be 'STANDARD_IA'",
      ],
      "objects > an encoded object leaves as it came": ["expected 'zstd,aws-chunked' to be 'zstd'"],
    },
  },
  {
    why: "416 has no Content-Range, the last zero bytes are the whole object, a range that runs backwards is refused, and a 304 has no ETag. The product's clients ask for ranges that exist.",
    found: {
      "objects > a range outside is 416, a range that is none is ignored": [
        "expected null to be 'bytes */10'",
        "expected 'bytes 0-9/10' to be 'bytes */10'",
        "expected '206' to be '416 InvalidRange'",
        "expected 416 to be 200",
      ],
      "objects > read conditions": ["expected [ 304, null ] to deeply equal [ 304, …(1) ]"],
    },
  },
  {
    why: "Write-once (If-None-Match: *) holds for PUT, also among many at once, but the ETag forms are computed otherwise: any If-None-Match with an ETag counts, If-Match with a quoted ETag never does. The product uses the asterisk alone.",
    found: {
      "objects > If-None-Match: * writes only what is not there": [
        "expected '200' to be '501 NotImplemented'",
        "expected 'two' to be 'one'",
      ],
      "objects > If-Match replaces only what is known": [
        "expected '412 PreconditionFailed' to be '404 NoSuchKey'",
        "expected '412 PreconditionFailed' to be '200'",
        "expected '0123456789' to be 'new'",
      ],
    },
  },
  {
    why: "CompleteMultipartUpload does not know If-None-Match. What is promised does not rest on it: every plan has a key of its own, never reused, and confirm compares length and hash before a plan is elected.",
    found: {
      "multipart uploads > Complete with If-None-Match: * does not replace what came meanwhile": [
        "expected '200' to be '412 PreconditionFailed'",
        "expected 'the end' to be 'first'",
      ],
    },
  },
  {
    why: "DeleteObjects needs no proof of its body, takes an empty list and refuses a long one without a document. The product deletes one object a request.",
    found: {
      "objects > DeleteObjects deletes, reports, and must prove its body": [
        "expected '200' to be '400 InvalidRequest'",
        "expected '200' to be '400 MalformedXML'",
        "expected '400' to be '400 MalformedXML'",
        'expected \'\' to match /^<\\?xml version="1.0" encoding="UTF-8…/',
        "expected '' to contain '<RequestId>null</RequestId>'",
      ],
    },
  },
  {
    why: "Names too long, metadata too large, classes and locks that are not there, paths that are not UTF-8: refused under other names, and 2 KB of metadata is not the end. The product's own limits (contract/limits.ts) are smaller.",
    found: {
      "objects > a key of 1,024 bytes is kept, one more is refused": [
        "expected '400 InvalidObjectName' to be '400 KeyTooLongError'",
      ],
      "objects > too much metadata and an unknown storage class are refused": [
        "expected '200' to be '400 MetadataTooLarge'",
        "expected '400 InvalidArgument' to be '400 InvalidStorageClass'",
        "expected '400 InvalidArgument' to be '400 InvalidRequest'",
        "expected '400 InvalidRequest' to be '501 NotImplemented'",
      ],
      "objects > a path that is not UTF-8 is refused": ["expected '400 InvalidObjectName' to be '400 InvalidURI'"],
    },
  },
  {
    why: "ETags in answers of Copy and Complete are without quotes. The product reads ETags from headers.",
    found: {
      "objects > CopyObject copies bytes, metadata on demand": [
        "expected '<?xml version=\"1.0\" encoding=\"UTF-8\"?…' to contain '<ETag>&quot;781e5e245d69b566979b86e28…'",
      ],
    },
  },
  {
    why: "Unknown list parameters are passed over. The product sends none.",
    found: {
      "listing > encoding-type=url spells keys for XML": ["expected '200' to be '400 InvalidArgument'"],
      "listing > nonsense parameters are refused": [
        "expected '200' to be '400 InvalidArgument'",
        "expected '200' to be '400 InvalidArgument'",
      ],
    },
  },
  {
    why: "Multipart: the ETag in the answer is without quotes; partNumber on GET gives the whole object; x-amz-mp-object-size is not known; Complete must list every part that was ever sent; sizes are judged before order. A complete list in order, which is all the product sends, completes.",
    found: {
      "multipart uploads > parts become one object with an ETag of parts": [
        "expected '<?xml version=\"1.0\" encoding=\"UTF-8\"?…' to contain '&quot;665a690a81d9cbd3c7f82223d9ecae1…'",
        "expected [ 200, null, …(1) ] to deeply equal [ 206, '2', 'the end' ]",
      ],
      "multipart uploads > a wrong list is refused and the upload survives it": [
        "expected '400 EntityTooSmall' to be '400 InvalidPartOrder'",
        "expected '400 EntityTooSmall' to be '400 InvalidPart'",
        "expected '400 InvalidPart' to be '400 InvalidRequest'",
        "expected '400 InvalidPart' to be '200'",
      ],
    },
  },
  {
    why: "Multipart: a part number above 10,000 is taken, and the parts of an aborted upload are NoSuchKey instead of NoSuchUpload. To the product both mean: look again.",
    found: {
      "multipart uploads > abort ends it, and an upload belongs to its key": [
        "expected '200' to be '400 InvalidArgument'",
        "expected '404 NoSuchKey' to be '404 NoSuchUpload'",
      ],
    },
  },
];
