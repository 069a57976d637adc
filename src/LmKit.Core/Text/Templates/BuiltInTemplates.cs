namespace LmKit;

/// <summary>The templates that come with LmKit.</summary>
internal static class BuiltInTemplates
{
    internal static IReadOnlyDictionary<string, string> Sources { get; } = new Dictionary<string, string>
    {
        ["chatml"] = """
            {%- for m in messages -%}
            {{ '<|im_start|>' + m.role + '\n' }}
            {%- if m.role == 'assistant' -%}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{%- else -%}{{ m.content + '<|im_end|>' }}{%- endif -%}
            {{ '\n' }}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
            """,
        ["llama-2"] = """
            {%- set system = '' -%}{%- set turns = messages -%}
            {%- if messages and messages[0].role == 'system' -%}
            {%- set system = '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' -%}{%- set turns = messages[1:] -%}
            {%- endif -%}
            {%- for m in turns -%}
            {%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('roles must alternate user/assistant, beginning with user') }}{%- endif -%}
            {%- if m.role == 'user' -%}{{ bos_token + '[INST] ' + ((system if loop.first else '') + m.content).strip() + ' [/INST]' }}
            {%- else -%}{{ ' ' }}{% generation %}{{ m.content.strip() + ' ' + eos_token }}{% endgeneration %}{%- endif -%}
            {%- endfor -%}
            """,
        ["llama-3"] = """
            {{- bos_token -}}
            {%- for m in messages -%}
            {{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}
            {%- if m.role == 'assistant' -%}{% generation %}{{ m.content | trim + '<|eot_id|>' }}{% endgeneration %}{%- else -%}{{ m.content | trim + '<|eot_id|>' }}{%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif -%}
            """,
        ["mistral"] = """
            {{- bos_token -}}
            {%- for m in messages -%}
            {%- if m.role == 'user' -%}{{ '[INST] ' + m.content + ' [/INST]' }}
            {%- elif m.role == 'assistant' -%}{% generation %}{{ m.content + eos_token }}{% endgeneration %}
            {%- else -%}{{ raise_exception('only user and assistant roles are supported') }}{%- endif -%}
            {%- endfor -%}
            """,
        ["zephyr"] = """
            {%- for m in messages -%}
            {%- if m.role == 'assistant' -%}{{ '<|assistant|>\n' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{{ '\n' }}
            {%- else -%}{{ '<|' + m.role + '|>\n' + m.content + eos_token + '\n' }}{%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ '<|assistant|>\n' }}{%- endif -%}
            """,
        ["alpaca"] = """
            {%- for m in messages -%}
            {%- if m.role == 'user' -%}{{ '### Instruction:\n' + m.content + '\n\n' }}
            {%- elif m.role == 'assistant' -%}{{ '### Response:\n' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{{ '\n\n' }}
            {%- else -%}{{ m.content + '\n\n' }}{%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ '### Response:\n' }}{%- endif -%}
            """,
        ["vicuna"] = """
            {%- for m in messages -%}
            {%- if m.role == 'user' -%}{{ 'USER: ' + m.content + ' ' }}
            {%- elif m.role == 'assistant' -%}{{ 'ASSISTANT: ' }}{% generation %}{{ m.content + eos_token }}{% endgeneration %}
            {%- else -%}{{ m.content + '\n\n' }}{%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}
            """,
        ["plain"] = """
            {{- bos_token -}}
            {%- for m in messages if m.role != 'system' -%}
            {%- if m.role == 'assistant' -%}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{%- else -%}{{ m.content }}{%- endif -%}
            {%- endfor -%}
            """,
    };
}
