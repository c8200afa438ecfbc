import { tlsCertificates } from '@maas-ha/interfaces/tls-certificates';

export const endpoints = { certificates: tlsCertificates };
